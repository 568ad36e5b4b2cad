/**
 * What a build will do, as plain data: which files in which tasks, and the key of each task. Nothing is read but names and sizes.
 */
import { hashOf } from "../core/hash.ts";
import type { InputFile } from "./inputs.ts";
import { isTable } from "./sniff.ts";

/** Version of what a task writes; a change of the code that changes bytes raises it. */
export const TASK_VERSION = 3;

/** Stored bytes to text bytes, roughly, to size tasks: compressed text is about a third. */
export const EXPANSION = { jsonl: 1, "jsonl.gz": 3, "jsonl.zst": 3, parquet: 2, arrow: 1 } as const;

/** A task holds about this much text, 268 MB, */
const TASK_BYTES = 2 ** 28;
/** or so many tasks and up to twice as many share a smaller corpus. */
const SMALL_TASKS = 16;
/** A task may be longer than asked by this factor. */
export const SLACK = 1.5;

/** A unit of work: consecutive input files, or ranges of them. */
export interface Task {
  /** Position in the plan. */
  readonly task: number;
  readonly role: "train" | "validation";
  readonly files: readonly InputFile[];
  /** Hash of the input's identity and of everything else that decides what the task writes. */
  readonly key: string;
}

/**
 * Bytes of text that a task of these files should hold: 2^28, or for less than 16 times as much text the power of two that makes 16 to 32
 * tasks, so that small corpora keep every worker busy and another file rarely changes it.
 */
export function taskBytesOf(files: readonly InputFile[]): number {
  const total = files.reduce((sum, file) => sum + textBytes(file), 0);
  return Math.min(TASK_BYTES, 2 ** Math.floor(Math.log2(Math.max(1, total / SMALL_TASKS))));
}

/**
 * Groups sorted files into tasks of about `taskBytes` of text (default as `taskBytesOf`), at most half as much again unless it is one file.
 * A task begins before a file whose name says so by its hash (the larger the file, the more often), or where the file does not fit any more:
 * so a file that is added or removed changes the task that it is in, and seldom more than the next one or two. The cut never shows in the
 * shards; it depends on the input alone, so that a resumed build finds its tasks again.
 */
export function planTasks(
  inputs: readonly {
    readonly role: Task["role"];
    readonly files: readonly InputFile[];
    readonly taskBytes?: number;
  }[],
  decided: unknown,
): readonly Task[] {
  const tasks: Task[] = [];
  for (const { role, files, taskBytes = taskBytesOf(files) } of inputs) {
    let group: InputFile[] = [];
    let size = 0;
    const close = () => {
      if (group.length === 0) return;
      const identity = group.map(({ source, bytes, modified, range }) => ({
        source,
        bytes,
        modified,
        ...(range && { from: range.from.byte, to: range.to.byte }),
      }));
      tasks.push({
        task: tasks.length,
        role,
        files: group,
        key: hashOf({ version: TASK_VERSION, role, identity, decided }),
      });
      group = [];
      size = 0;
    };
    for (const file of files) {
      const bytes = textBytes(file);
      if (size + bytes > SLACK * taskBytes || fraction(file) < bytes / taskBytes) close();
      group.push(file);
      size += bytes;
    }
    close();
  }
  return tasks;
}

/** About how many bytes of text a file, or the range of it that is to be read, holds. */
export function textBytes({ bytes, format, range }: InputFile): number {
  if (range === undefined) return bytes * EXPANSION[format];
  const { from, to } = range;
  return isTable(format) ? (to.byte - from.byte) * EXPANSION[format] : to.decodedAt - from.decodedAt;
}

/** A number of [0, 1) that the name of a file, and where its range begins, decide. */
function fraction({ source, range }: InputFile): number {
  return Number.parseInt(hashOf([source, range?.from.byte ?? 0]).slice(0, 8), 16) / 2 ** 32;
}
