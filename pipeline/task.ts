/**
 * One task: documents in, segments out, a section at a time. What was committed before is kept and what precedes it in a file is passed
 * over undone: decompressed, but neither parsed nor tokenized. What a task writes depends on its files and the setup alone.
 */
import { join } from "node:path";
import { removeLeftovers, writeFileWhole } from "../core/commit.ts";
import type { Document } from "../core/document.ts";
import { addAccounts } from "./account.ts";
import type { Curator } from "./curator.ts";
import type { Incident, Quarantined } from "./incidents.ts";
import { readScored } from "./own-scores.ts";
import type { Task } from "./plan.ts";
import { Section } from "./section.ts";
import type { SourceChunk, SourceOptions } from "./source.ts";
import { committedSections, sectionFolder, TASK_START, taskFolder } from "./task-folder.ts";
import type { SectionManifest, SectionStart, TaskManifest } from "./task-manifest.ts";

/** How far a task is, since the last report. */
export interface TaskProgress {
  /** Stored bytes. */
  readonly bytes: number;
  readonly documents: number;
  readonly tokens: number;
  readonly dropped: number;
  readonly quarantined: number;
}

/** What a task needs beside its files. */
export interface TaskContext {
  /** `DIR/.build`. */
  readonly buildFolder: string;
  readonly curator: Curator;
  readonly source: SourceOptions;
  /** Whether dropped documents are written too. */
  readonly keepDropped: boolean;
  /** Records of a section at most. */
  readonly sectionRecords: number;
  readonly onProgress?: (progress: TaskProgress) => void;
}

/** Runs a task from where its last committed section ends, and commits it. */
export async function runTask(task: Task, context: TaskContext): Promise<TaskManifest> {
  const { curator, buildFolder } = context;
  const folder = taskFolder(buildFolder, task.key);
  const before = await committedSections(buildFolder, task.key);
  const after = before.at(-1)?.next === null ? [] : await runSections(task, context, before);
  const sections = [...before, ...after];
  const sum = (of: (section: SectionManifest) => number) =>
    sections.reduce((total, section) => total + of(section), 0);
  const manifest: TaskManifest = {
    format: "headrace-task/2",
    task: task.task,
    key: task.key,
    role: task.role,
    inputs: sections.flatMap(({ inputs }) => inputs),
    sections: sections.map(({ kept, dropped, scores }) => ({ kept, dropped, scores })),
    account: addAccounts(
      sections.map(({ account }) => account),
      curator.filters.map(({ name }) => name),
    ),
    loneSurrogates: sum(({ loneSurrogates }) => loneSurrogates),
    lostBytes: sum(({ lostBytes }) => lostBytes),
  };
  await removeLeftovers(folder, (name) => name === "task.json");
  await writeFileWhole(join(folder, "task.json"), `${JSON.stringify(manifest)}\n`);
  return manifest;
}

/** The sections after those that are committed. */
async function runSections(
  task: Task,
  context: TaskContext,
  before: readonly SectionManifest[],
): Promise<readonly SectionManifest[]> {
  const { curator, buildFolder } = context;
  const sections: SectionManifest[] = [];
  const sources = task.files.map(({ source }) => source);
  const open = (from: SectionStart) =>
    Section.open({
      folder: sectionFolder(buildFolder, task.key, before.length + sections.length),
      key: task.key,
      from,
      sources,
      curator,
      keepDropped: context.keepDropped,
      records: context.sectionRecords,
    });
  const start = before.at(-1)?.next ?? TASK_START;
  let section = await open(start);
  for (const [index, file] of task.files.entries()) {
    if (index < start.file) continue;
    const fromLine = index === start.file ? start.line : 1;
    // A file that is read again from its start says all of these again, so they are kept for the section in which it ends.
    const incidents: Incident[] = [];
    for await (const chunk of readScored(file, context.source, curator, { fromLine, lend: true })) {
      let tokens = 0;
      let dropped = 0;
      for (const record of inLineOrder(chunk)) {
        if (section.full) {
          const next = { file: index, line: record.line };
          sections.push(await section.commit(next));
          section = await open(next);
        }
        if ("text" in record) {
          const judged = curator.judge(record);
          await section.document(record, index, judged);
          tokens += judged.count;
          if (judged.verdict.kind === "drop") dropped++;
        } else section.quarantined(record);
      }
      incidents.push(...chunk.incidents);
      if (chunk.account) section.ended(file, chunk.account, incidents);
      context.onProgress?.({
        bytes: chunk.bytesRead + chunk.bytesUnreadable,
        documents: chunk.documents.length,
        tokens,
        dropped,
        quarantined: chunk.quarantined.length,
      });
    }
  }
  return [...sections, await section.commit(null)];
}

/** Documents and quarantined records of a batch in the order of their lines, which each of the two lists has. */
function* inLineOrder({ documents, quarantined }: SourceChunk): Generator<Document | Quarantined> {
  let q = 0;
  for (const document of documents) {
    for (; q < quarantined.length && quarantined[q]!.line < document.line; q++) yield quarantined[q]!;
    yield document;
  }
  for (; q < quarantined.length; q++) yield quarantined[q]!;
}
