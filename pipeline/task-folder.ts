/**
 * What tasks have committed in a build folder: `tasks/<key>/task.json` for a finished one, and before it `tasks/<key>/NNNNN/section.json`
 * for each section. A manifest whose files are not there, or not as long as it says, commits nothing.
 */
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Task } from "./plan.ts";
import {
  parseSectionManifest,
  parseTaskManifest,
  type SectionFiles,
  type SectionManifest,
  type SectionStart,
  type TaskManifest,
} from "./task-manifest.ts";

/** Where the first section of a task begins. */
export const TASK_START: SectionStart = { file: 0, line: 1 };

/** The folder of a task, named by its key, so that a changed key never meets old files. */
export function taskFolder(buildFolder: string, key: string): string {
  return join(buildFolder, "tasks", key.slice(0, 32));
}

/** The folder of the `i`th section of a task. */
export function sectionFolder(buildFolder: string, key: string, i: number): string {
  return join(taskFolder(buildFolder, key), String(i).padStart(5, "0"));
}

/** The folders of a task's sections, in order. */
export function sectionFolders(
  buildFolder: string,
  { key, sections }: Pick<TaskManifest, "key" | "sections">,
): readonly string[] {
  return sections.map((_, i) => sectionFolder(buildFolder, key, i));
}

/** The manifest of a task that was finished before, if there is one and its files are still there. */
export async function finishedTask(buildFolder: string, task: Task): Promise<TaskManifest | undefined> {
  const manifest = await committedTask(buildFolder, task);
  if (manifest === undefined) return undefined;
  const folders = sectionFolders(buildFolder, manifest);
  return manifest.sections.every((section, i) => isWhole(folders[i]!, section)) ? manifest : undefined;
}

/** The manifest of a task that was finished before, also where its segments were compacted since. */
export async function committedTask(buildFolder: string, task: Task): Promise<TaskManifest | undefined> {
  const path = join(taskFolder(buildFolder, task.key), "task.json");
  if (!existsSync(path)) return undefined;
  const manifest = parseTaskManifest(await readFile(path, "utf8"), path);
  return manifest.key === task.key ? { ...manifest, task: task.task } : undefined;
}

/** The sections that an unfinished task has committed: the longest row of them that follow one another from its start. */
export async function committedSections(
  buildFolder: string,
  key: string,
): Promise<readonly SectionManifest[]> {
  const sections: SectionManifest[] = [];
  for (let next: SectionStart | null = TASK_START; next !== null; ) {
    const folder = sectionFolder(buildFolder, key, sections.length);
    const path = join(folder, "section.json");
    if (!existsSync(path)) break;
    const section = parseSectionManifest(await readFile(path, "utf8"), path);
    const follows = section.key === key && section.from.file === next.file && section.from.line === next.line;
    if (!follows || !isWhole(folder, section)) break;
    sections.push(section);
    next = section.next;
  }
  return sections;
}

function isWhole(folder: string, { kept, dropped, scores }: SectionFiles): boolean {
  return [...Object.values(kept), ...Object.values(dropped), scores].every(
    (file) => statSync(join(folder, file.path), { throwIfNoEntry: false })?.size === file.bytes,
  );
}
