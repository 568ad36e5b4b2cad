/**
 * The manifests of a task and of its sections. Each is written last and is the commit: a folder without one is garbage.
 */
import {
  array,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  type Parser,
  parseJson,
  record,
  string,
} from "../core/parse.ts";
import { type Account, parseAccount } from "../shards/index.ts";

/** A file written by a task, with its name under the section's folder. */
export interface TaskFile {
  readonly path: string;
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file that a task read. */
export interface TaskInput {
  readonly source: string;
  readonly bytes: number;
  /** Of its bytes as stored; null where not all of them could be read. */
  readonly sha256: string | null;
}

/** What a stretch of records came to, beside the segments. */
interface Counts {
  /** The files whose end was reached. Their bytes and incidents are in the account. */
  readonly inputs: readonly TaskInput[];
  readonly account: Account;
  readonly loneSurrogates: number;
  /** Bytes of text that the vocabulary has no piece for. */
  readonly lostBytes: number;
}

/** The files of a section. */
export interface SectionFiles {
  /** Segments by domain. */
  readonly kept: Readonly<Record<string, TaskFile>>;
  readonly dropped: Readonly<Record<string, TaskFile>>;
  readonly scores: TaskFile;
}

/** Where a section begins: a file of the task, and a physical line (row) in it. */
export interface SectionStart {
  /** Position of the file in the task. */
  readonly file: number;
  readonly line: number;
}

/** A stretch of a task's records that is committed by itself. */
export interface SectionManifest extends SectionFiles, Counts {
  readonly format: "headrace-section/1";
  /** Key of the task. */
  readonly key: string;
  readonly from: SectionStart;
  /** Where the next section begins; null: this one ends the task. */
  readonly next: SectionStart | null;
}

/** What a task read, wrote and counted. */
export interface TaskManifest extends Counts {
  readonly format: "headrace-task/2";
  /** Position of the task in the plan, which is the order of its documents in the shards. */
  readonly task: number;
  /** Hash of everything that can change the task's output. */
  readonly key: string;
  readonly role: "train" | "validation";
  /** In the order of their records. */
  readonly sections: readonly SectionFiles[];
}

const taskFile: Parser<TaskFile> = object({
  path: string,
  documents: integer(0),
  tokens: integer(0),
  bytes: integer(0),
  sha256: string,
});

const files = { kept: record(taskFile), dropped: record(taskFile), scores: taskFile };

const counts = {
  inputs: array(object({ source: string, bytes: integer(0), sha256: nullable(string) })),
  account: parseAccount,
  loneSurrogates: optional(integer(0), 0),
  lostBytes: optional(integer(0), 0),
};

const start: Parser<SectionStart> = object({ file: integer(0), line: integer(1) });

const sectionManifest: Parser<SectionManifest> = object({
  format: oneOf("headrace-section/1"),
  key: string,
  from: start,
  next: nullable(start),
  ...files,
  ...counts,
});

const taskManifest: Parser<TaskManifest> = object({
  format: oneOf("headrace-task/2"),
  task: integer(0),
  key: string,
  role: oneOf("train", "validation"),
  sections: array(object(files)),
  ...counts,
});

/** Reads a section manifest from JSON text. Throws ERR_PARSE. */
export function parseSectionManifest(text: string, subject: string): SectionManifest {
  return parseJson(text, sectionManifest, subject);
}

/** Reads a task manifest from JSON text. Throws ERR_PARSE. */
export function parseTaskManifest(text: string, subject: string): TaskManifest {
  return parseJson(text, taskManifest, subject);
}
