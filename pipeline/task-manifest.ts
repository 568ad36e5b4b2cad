/**
 * The manifest of a finished task. It is written last: a task folder without one is garbage.
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

/** A file written by a task, with its name under the task's folder. */
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

/** What a task read, wrote and counted. */
export interface TaskManifest {
  readonly format: "headrace-task/1";
  /** Position of the task in the plan, which is the order of its documents in the shards. */
  readonly task: number;
  /** Hash of everything that can change the task's output. */
  readonly key: string;
  readonly role: "train" | "validation";
  readonly inputs: readonly TaskInput[];
  /** Segments by domain. */
  readonly kept: Readonly<Record<string, TaskFile>>;
  readonly dropped: Readonly<Record<string, TaskFile>>;
  readonly scores: TaskFile;
  readonly account: Account;
  readonly loneSurrogates: number;
  /** Bytes of text that the vocabulary has no piece for. */
  readonly lostBytes: number;
}

const taskFile: Parser<TaskFile> = object({
  path: string,
  documents: integer(0),
  tokens: integer(0),
  bytes: integer(0),
  sha256: string,
});

const taskManifest: Parser<TaskManifest> = object({
  format: oneOf("headrace-task/1"),
  task: integer(0),
  key: string,
  role: oneOf("train", "validation"),
  inputs: array(object({ source: string, bytes: integer(0), sha256: nullable(string) })),
  kept: record(taskFile),
  dropped: record(taskFile),
  scores: taskFile,
  account: parseAccount,
  loneSurrogates: optional(integer(0), 0),
  lostBytes: optional(integer(0), 0),
});

/** Reads a task manifest from JSON text. Throws ERR_PARSE. */
export function parseTaskManifest(text: string, subject: string): TaskManifest {
  return parseJson(text, taskManifest, subject);
}
