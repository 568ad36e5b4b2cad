/**
 * A section: the stretch of a task's records that is written and committed at a time, so that a killed build repeats at most one of them
 * a worker. It ends after a fixed number of records or tokens, so its end depends on the input alone. How a task is cut into sections
 * never shows in the shards.
 */
import { hash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileWhole } from "../core/commit.ts";
import type { Document } from "../core/document.ts";
import { openScoreWriter, openShardWriter, type ShardFile, type ShardSchema } from "../shards/index.ts";
import { Tally } from "./account.ts";
import { Columns } from "./columns.ts";
import type { Curator, Judged } from "./curator.ts";
import type { ByteAccount, Incident, Quarantined } from "./incidents.ts";
import type { InputFile } from "./inputs.ts";
import type { SectionFiles, SectionManifest, SectionStart, TaskFile, TaskInput } from "./task-manifest.ts";

/** Records, documents or not, after which a section ends unless told otherwise; a record batch of the score table. */
export const SECTION_RECORDS = 65_536;
/** Tokens after which a section ends: about 60 MB of English, which the slowest tokenizer takes half a minute for. */
const SECTION_TOKENS = 16_777_216;

/** What a section needs. */
export interface SectionContext {
  /** Where its files go; what lies there is deleted. */
  readonly folder: string;
  /** Key of the task. */
  readonly key: string;
  readonly from: SectionStart;
  /** The sources of the task's files. */
  readonly sources: readonly string[];
  readonly curator: Curator;
  /** Whether dropped documents are written too. */
  readonly keepDropped: boolean;
  /** Records after which it is full. */
  readonly records: number;
}

/** A section that is being written. */
export class Section {
  readonly #context: SectionContext;
  readonly #schema: ShardSchema;
  readonly #tally: Tally;
  readonly #segments = new Map<string, { readonly columns: Columns; close(): Promise<ShardFile> }>();
  readonly #scores: Awaited<ReturnType<typeof openScoreWriter>>;
  readonly #inputs: TaskInput[] = [];
  readonly #quarantine: Quarantined[] = [];
  readonly #incidents: Incident[] = [];
  readonly #loneSurrogates: number;
  readonly #lostBytes: number;
  #records = 0;
  #tokens = 0;

  private constructor(
    context: SectionContext,
    schema: ShardSchema,
    scores: Awaited<ReturnType<typeof openScoreWriter>>,
  ) {
    const { filters, tokenizer } = context.curator;
    this.#context = context;
    this.#schema = schema;
    this.#scores = scores;
    this.#tally = new Tally(filters.map(({ name }) => name));
    this.#loneSurrogates = tokenizer.loneSurrogates;
    this.#lostBytes = tokenizer.lostBytes ?? 0;
  }

  /** Empties the folder and opens the section. */
  static async open(context: SectionContext): Promise<Section> {
    const { folder, curator } = context;
    await rm(folder, { recursive: true, force: true });
    const filters = curator.filters.map(({ name }) => name);
    const scores = await openScoreWriter(join(folder, "scores.arrow"), { filters, hashes: true });
    return new Section(context, { tokenType: curator.tokenizer.tokenType, filters, hashes: true }, scores);
  }

  /** Whether the next record belongs to the next section. */
  get full(): boolean {
    return this.#records >= this.#context.records || this.#tokens >= SECTION_TOKENS;
  }

  /** Writes a document of file `source` of the task. */
  async document(document: Document, source: number, judged: Judged): Promise<void> {
    const { verdict, tag, tokens, count, scores } = judged;
    const dropped = verdict.kind === "drop";
    const hashed = textHash(document);
    this.#records++;
    this.#tokens += count;
    this.#tally.document(
      document.domain,
      dropped ? { kind: "dropped", filter: verdict.filter } : { kind: "kept" },
      count,
    );
    await this.#scores.append({
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

  /** Sets a record aside. */
  quarantined(record: Quarantined): void {
    this.#records++;
    this.#tally.quarantined(record.domain);
    this.#quarantine.push(record);
  }

  /** Takes note that a file, or the range of it, was read to its end, and of everything in it that could not be read. */
  ended(
    { source, bytes: size, range }: InputFile,
    account: ByteAccount,
    incidents: readonly Incident[],
  ): void {
    const { sha256, ...bytes } = account;
    // A file is named once, with its first range; all of them go by the same scan.
    if (range === undefined || range.first)
      this.#inputs.push({ source, bytes: size, sha256: range ? range.sha256 : sha256 });
    this.#tally.bytes(bytes);
    for (const incident of incidents) {
      this.#tally.incident();
      this.#incidents.push(incident);
    }
  }

  /** Commits the section. */
  async commit(next: SectionStart | null): Promise<SectionManifest> {
    const { folder, key, from, curator } = this.#context;
    const files: Record<"kept" | "dropped", Record<string, TaskFile>> = { kept: {}, dropped: {} };
    for (const [name, segment] of [...this.#segments].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [bucket, domain] = name.split("/") as ["kept" | "dropped", string];
      files[bucket][domain] = taskFile(`${name}.arrow`, await segment.close());
    }
    const scores = taskFile("scores.arrow", { tokens: 0, ...(await this.#scores.close()) });
    for (const [name, lines] of [
      ["quarantine.jsonl", this.#quarantine],
      ["incidents.jsonl", this.#incidents],
    ] as const)
      await writeFileWhole(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const manifest: SectionManifest = {
      format: "headrace-section/1",
      key,
      from,
      next,
      ...({ ...files, scores } satisfies SectionFiles),
      inputs: this.#inputs,
      account: this.#tally.account(),
      loneSurrogates: curator.tokenizer.loneSurrogates - this.#loneSurrogates,
      lostBytes: (curator.tokenizer.lostBytes ?? 0) - this.#lostBytes,
    };
    await writeFileWhole(join(folder, "section.json"), `${JSON.stringify(manifest)}\n`);
    return manifest;
  }

  async #segment(name: string): Promise<Columns> {
    const open = this.#segments.get(name);
    if (open) return open.columns;
    const { folder, sources } = this.#context;
    const writer = await openShardWriter(join(folder, `${name}.arrow`), {
      schema: this.#schema,
      metadata: { "headrace.format": "headrace-segment/1" },
      sources,
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

/** The hash of a document's text that the validation split goes by (docs/format.md 1.5). */
function textHash(document: Document): bigint {
  return BigInt(`0x${hash("sha256", document.utf8 ?? document.text).slice(0, 16)}`);
}

function taskFile(path: string, file: Omit<TaskFile, "path">): TaskFile {
  const { documents, tokens, bytes, sha256 } = file;
  return { path, documents, tokens, bytes, sha256 };
}
