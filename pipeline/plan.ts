/**
 * What a build will do, as plain data: which files in which tasks, and the key of each task. Nothing is read but names and sizes.
 */
import { hashOf } from "../core/hash.ts";
import type { InputFile } from "./inputs.ts";

/** Version of what a task writes; a change of the code that changes bytes raises it. */
export const TASK_VERSION = 2;

/** Stored bytes to text bytes, roughly, to size tasks: compressed text is about a third. */
const EXPANSION = { jsonl: 1, "jsonl.gz": 3, "jsonl.zst": 3, parquet: 2, arrow: 1 } as const;

/** A task holds about this much text. */
const TASK_BYTES = 256_000_000;

/** A unit of work and of resume: consecutive input files. */
export interface Task {
  /** Position in the plan. */
  readonly task: number;
  readonly role: "train" | "validation";
  readonly files: readonly InputFile[];
  /** Hash of the input's identity and of everything else that decides what the task writes. */
  readonly key: string;
}

/**
 * Cuts sorted files into tasks of about 256 MB of text, or a 32nd of the corpus where that is less, so that small corpora keep every
 * worker busy. The cut never shows in the shards; it depends on the input alone, so that a resumed build finds its tasks again.
 */
export function planTasks(
  inputs: readonly { readonly role: Task["role"]; readonly files: readonly InputFile[] }[],
  decided: unknown,
): readonly Task[] {
  const tasks: Task[] = [];
  for (const { role, files } of inputs) {
    const total = files.reduce((sum, file) => sum + textBytes(file), 0);
    const limit = Math.max(1, Math.min(TASK_BYTES, total / 32));
    let group: InputFile[] = [];
    let size = 0;
    const close = () => {
      if (group.length === 0) return;
      const identity = group.map(({ source, bytes, modified }) => ({ source, bytes, modified }));
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
      if (group.length > 0 && size + textBytes(file) > limit) close();
      group.push(file);
      size += textBytes(file);
    }
    close();
  }
  return tasks;
}

function textBytes(file: InputFile): number {
  return file.bytes * EXPANSION[file.format];
}
