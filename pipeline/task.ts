/**
 * One task: documents in, segments out. The segments, the score rows, the quarantine and the account of the task lie in its own
 * folder; the manifest is written last and is the commit. What a task writes depends on its files and the setup alone.
 */
import { hash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileWhole } from "../core/commit.ts";
import type { Document } from "../core/document.ts";
import { openScoreWriter, openShardWriter, type ShardFile, type ShardSchema } from "../shards/index.ts";
import { Tally } from "./account.ts";
import { Columns } from "./columns.ts";
import type { Curator, Judged } from "./curator.ts";
import type { Task } from "./plan.ts";
import { readSource, type SourceOptions } from "./source.ts";
import { parseTaskManifest, type TaskFile, type TaskInput, type TaskManifest } from "./task-manifest.ts";

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
  readonly onProgress?: (progress: TaskProgress) => void;
}

/** The folder of a task, named by its key, so that a changed key never meets old files. */
export function taskFolder(buildFolder: string, key: string): string {
  return join(buildFolder, "tasks", key.slice(0, 32));
}

/** The manifest of a task that was finished before, if there is one and its files are still there. */
export async function finishedTask(buildFolder: string, task: Task): Promise<TaskManifest | undefined> {
  const folder = taskFolder(buildFolder, task.key);
  const path = join(folder, "task.json");
  if (!existsSync(path)) return undefined;
  const manifest = parseTaskManifest(await readFile(path, "utf8"), path);
  if (manifest.key !== task.key) return undefined;
  const files = [...Object.values(manifest.kept), ...Object.values(manifest.dropped), manifest.scores];
  const whole = files.every(
    (file) => statSync(join(folder, file.path), { throwIfNoEntry: false })?.size === file.bytes,
  );
  return whole ? { ...manifest, task: task.task } : undefined;
}

/** Runs a task from the start and commits it. */
export async function runTask(task: Task, context: TaskContext): Promise<TaskManifest> {
  const { curator, buildFolder } = context;
  const folder = taskFolder(buildFolder, task.key);
  await rm(folder, { recursive: true, force: true });
  const output = new TaskOutput(folder, task, context);
  const tally = new Tally(curator.filters.map(({ name }) => name));
  const inputs: TaskInput[] = [];
  const surrogatesBefore = curator.tokenizer.loneSurrogates;
  let loneSurrogates = surrogatesBefore;
  const lostBefore = curator.tokenizer.lostBytes ?? 0;

  for (const [index, file] of task.files.entries()) {
    for await (const chunk of readSource(file, context.source)) {
      let tokens = 0;
      let dropped = 0;
      for (const document of chunk.documents) {
        const judged = curator.judge(document);
        await output.add(document, index, judged);
        const { verdict } = judged;
        tally.document(
          document.domain,
          verdict.kind === "keep" ? { kind: "kept" } : { kind: "dropped", filter: verdict.filter },
          judged.count,
        );
        tokens += judged.count;
        if (verdict.kind === "drop") dropped++;
      }
      for (const record of chunk.quarantined) {
        tally.quarantined(record.domain);
        output.quarantine.push(record);
      }
      for (const incident of chunk.incidents) {
        tally.incident();
        output.incidents.push(incident);
      }
      if (chunk.account) {
        tally.bytes(chunk.account);
        inputs.push({ source: file.source, bytes: file.bytes, sha256: chunk.account.sha256 });
      }
      context.onProgress?.({
        bytes: chunk.bytesRead + chunk.bytesUnreadable,
        documents: chunk.documents.length,
        tokens,
        dropped,
        quarantined: chunk.quarantined.length,
      });
    }
    loneSurrogates = curator.tokenizer.loneSurrogates;
  }

  const written = await output.close();
  const manifest: TaskManifest = {
    format: "headrace-task/1",
    task: task.task,
    key: task.key,
    role: task.role,
    inputs,
    ...written,
    account: tally.account(),
    loneSurrogates: loneSurrogates - surrogatesBefore,
    lostBytes: (curator.tokenizer.lostBytes ?? 0) - lostBefore,
  };
  await writeFileWhole(join(folder, "task.json"), `${JSON.stringify(manifest)}\n`);
  return manifest;
}

/** The hash of a document's text that the validation split goes by (docs/format.md 1.5). */
export function textHash(text: string): bigint {
  return hash("sha256", text, "buffer").readBigUInt64BE();
}

/** The files that a task writes, opened when the first document for them comes. */
class TaskOutput {
  readonly quarantine: unknown[] = [];
  readonly incidents: unknown[] = [];
  readonly #folder: string;
  readonly #context: TaskContext;
  readonly #schema: ShardSchema;
  readonly #sources: readonly string[];
  readonly #segments = new Map<string, { readonly columns: Columns; close(): Promise<ShardFile> }>();
  readonly #scores: ReturnType<typeof openScoreWriter>;

  constructor(folder: string, task: Task, context: TaskContext) {
    const { tokenizer, filters } = context.curator;
    this.#folder = folder;
    this.#context = context;
    this.#sources = task.files.map(({ source }) => source);
    this.#schema = { tokenType: tokenizer.tokenType, filters: filters.map(({ name }) => name), hashes: true };
    this.#scores = openScoreWriter(join(folder, "scores.arrow"), {
      filters: this.#schema.filters,
      hashes: true,
    });
  }

  async add(document: Document, source: number, judged: Judged): Promise<void> {
    const { verdict, tag, tokens, count, scores } = judged;
    const dropped = verdict.kind === "drop";
    const hashed = textHash(document.text);
    await (await this.#scores).append({
      source: document.source,
      line: document.line,
      domain: document.domain,
      tokens: count,
      scores,
      verdict: dropped ? `dropped:${verdict.filter}` : tag === null ? "kept" : `kept:${tag}`,
      hash: hashed,
    });
    if (dropped && !this.#context.keepDropped) return;
    const columns = await this.#segment(`${dropped ? "dropped" : "kept"}/${document.domain}`);
    await columns.append(tokens, count, source, document.line, scores, hashed);
  }

  async close(): Promise<Pick<TaskManifest, "kept" | "dropped" | "scores">> {
    const files: Record<"kept" | "dropped", Record<string, TaskFile>> = { kept: {}, dropped: {} };
    for (const [name, segment] of [...this.#segments].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [bucket, domain] = name.split("/") as ["kept" | "dropped", string];
      files[bucket][domain] = taskFile(`${name}.arrow`, await segment.close());
    }
    const scores = taskFile("scores.arrow", { tokens: 0, ...(await (await this.#scores).close()) });
    for (const [name, lines] of [
      ["quarantine.jsonl", this.quarantine],
      ["incidents.jsonl", this.incidents],
    ] as const)
      await writeFileWhole(
        join(this.#folder, name),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
      );
    return { ...files, scores };
  }

  async #segment(name: string): Promise<Columns> {
    const open = this.#segments.get(name);
    if (open) return open.columns;
    const writer = await openShardWriter(join(this.#folder, `${name}.arrow`), {
      schema: this.#schema,
      metadata: { "headrace.format": "headrace-segment/1" },
      sources: this.#sources,
    });
    const columns = new Columns(writer, this.#schema.tokenType, this.#schema.filters.length);
    this.#segments.set(name, {
      columns,
      close: async () => {
        await columns.flush();
        return writer.close();
      },
    });
    return columns;
  }
}

function taskFile(path: string, file: Omit<TaskFile, "path">): TaskFile {
  const { documents, tokens, bytes, sha256 } = file;
  return { path, documents, tokens, bytes, sha256 };
}
