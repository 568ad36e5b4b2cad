/**
 * Turns the segments of a domain into its final shards. The bytes depend on the sequence of documents, the plan and the shard size,
 * never on how tasks and segments were cut. Reads the segments twice: once their index columns, to plan, then everything, to write.
 * Memory is a record batch a split, the index columns of one segment batch, and the names of the sources of every shard.
 */
import { join } from "node:path";
import type { TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  type CompactionPlan,
  lengthIn,
  type Piece,
  piecesOf,
  type ShardPlan,
  shardPlanner,
} from "./compact-plan.ts";
import type { Gap } from "./gap.ts";
import { SPLITS, type Split, type TokenShard } from "./manifest.ts";
import { type ShardSchema, tokenArray, tokenBytes } from "./schema.ts";
import { giveScratch, takeScratch } from "./scratch.ts";
import { openSegment, type Segment, type SegmentBatch } from "./segment.ts";
import { openShardWriter, type ShardWriter, shardMetadata } from "./writer.ts";

/** What to compact. */
export interface Compaction {
  /** The folder of shards. */
  readonly dir: string;
  readonly domain: string;
  /** Segments in task order, all of the schema, with hashes where the plan goes by hashes. */
  readonly segments: readonly Segment[];
  /** Of the shards; `hashes` is left out of them. */
  readonly schema: ShardSchema;
  /** sha256 of the tokenizer, for the schema metadata. */
  readonly tokenizer: string;
  readonly plan: CompactionPlan;
  /** A shard ends before the document that would bring its token values over so many bytes. */
  readonly shardBytes: number;
  /** Told of every record batch that is written. */
  readonly onWrite?: (documents: number, tokens: number) => void;
}

/** What came of it. */
export interface CompactedDomain {
  /** In stream order: train, validation, dropped; `path` is under the folder of shards. */
  readonly shards: readonly TokenShard[];
  /** The tokens in no split, before the validation tokens of a document that was cut. */
  readonly gap: Gap | null;
}

/** Writes the shards `DIR/<split>/<domain>/NNNNN.arrow`. Throws ERR_SHARD on a broken segment, ERR_OUTPUT, ERR_ARGUMENT. */
export async function compactDomain(compaction: Compaction): Promise<CompactedDomain> {
  const plans = await planShards(compaction);
  const sinks = new Map(
    [...plans].map(([split, shards]) => [split, new ShardSink(compaction, split, shards)] as const),
  );
  let gap: Gap | null = null;
  try {
    await eachBatch(compaction, async (sources, batch, pieces, first) => {
      for (const piece of pieces) await sinks.get(piece.split)!.take(sources, batch, piece);
      gap ??= gapOf(compaction, sources, batch, first);
    });
  } catch (error) {
    for (const sink of sinks.values()) await sink.abort();
    throw error;
  } finally {
    for (const sink of sinks.values()) sink.close();
  }
  return {
    shards: SPLITS.flatMap((split) => sinks.get(split)?.written ?? []),
    gap,
  };
}

/** The gap of the document that is cut, where it is in the batch whose first document has number `first`. */
function gapOf(
  { domain, schema, plan }: Compaction,
  sources: readonly string[],
  { index, readTokens }: SegmentBatch,
  first: number,
): Gap | null {
  if (plan.kind !== "tail") return null;
  const d = plan.document - first;
  if (d < 0 || d >= index.documents) return null;
  const tokens = tokenArray(schema.tokenType, plan.gap);
  readTokens(index.offsets[d + 1]! - plan.tokens - plan.gap, tokens);
  return { source: sources[index.sources[d]!]!, line: index.lines[d]!, domain, tokens: [...tokens] };
}

async function planShards(compaction: Compaction): Promise<Map<Split, readonly ShardPlan[]>> {
  const width = tokenBytes(compaction.schema.tokenType);
  const planners = new Map<Split, ReturnType<typeof shardPlanner>>();
  await eachBatch(compaction, async (sources, { index }, pieces) => {
    for (const piece of pieces) {
      let planner = planners.get(piece.split);
      if (!planner) {
        planner = shardPlanner(compaction.shardBytes, width);
        planners.set(piece.split, planner);
      }
      for (let d = piece.from; d < piece.to; d++)
        planner.add(lengthIn(piece, index, d), sources[index.sources[d]!]!);
    }
  });
  return new Map([...planners].map(([split, planner]) => [split, planner.result()] as const));
}

/** Calls `visit` with every segment batch in order, where its documents go, and the number of the first of them in the domain. */
async function eachBatch(
  { segments, schema, plan }: Compaction,
  visit: (
    sources: readonly string[],
    batch: SegmentBatch,
    pieces: readonly Piece[],
    first: number,
  ) => Promise<void>,
): Promise<void> {
  let first = 0;
  for (const segment of segments) {
    const reader = openSegment(segment);
    try {
      checkSegment(reader.schema, schema, plan, reader.name);
      for (const batch of reader.batches()) {
        await visit(reader.sources, batch, piecesOf(batch.index, first, plan), first);
        first += batch.index.documents;
      }
    } finally {
      reader.close();
    }
  }
}

function checkSegment(found: ShardSchema, wanted: ShardSchema, plan: CompactionPlan, path: string): void {
  if (found.tokenType !== wanted.tokenType || found.filters.join() !== wanted.filters.join())
    throw new HeadraceError(
      "ERR_SHARD",
      `segment ${path} has ${found.tokenType} tokens and scores [${found.filters}], not ${wanted.tokenType} and [${wanted.filters}]; build its task again`,
    );
  if (plan.kind === "hashes" && !found.hashes)
    throw new HeadraceError(
      "ERR_SHARD",
      `segment ${path} has no hashes, and the validation split goes by them; build its task again`,
    );
}

/** Fills the planned batches of a split one after another and writes each when it is full. */
class ShardSink {
  readonly written: TokenShard[] = [];
  readonly #compaction: Compaction;
  readonly #split: Split;
  readonly #plans: readonly ShardPlan[];
  #writer: ShardWriter | undefined;
  /** Place of each source in the dictionary of the open shard. */
  #places = new Map<string, number>();
  #batch = 0;
  #filled = { documents: 0, tokens: 0 };
  readonly #memory: ArrayBuffer;
  readonly #columns: Columns;

  constructor(compaction: Compaction, split: Split, plans: readonly ShardPlan[]) {
    this.#compaction = compaction;
    this.#split = split;
    this.#plans = plans;
    let documents = 0;
    let tokens = 0;
    for (const batch of plans.flatMap((plan) => plan.batches)) {
      documents = Math.max(documents, batch.documents);
      tokens = Math.max(tokens, batch.tokens);
    }
    this.#memory = takeScratch(tokens * tokenBytes(compaction.schema.tokenType));
    this.#columns = columnsFor(compaction.schema, documents, tokens, this.#memory);
  }

  async take(sources: readonly string[], batch: SegmentBatch, piece: Piece): Promise<void> {
    const { offsets } = batch.index;
    for (let from = piece.from; from < piece.to; ) {
      const { documents } = this.#plan.batches[this.#batch]!;
      const to = Math.min(piece.to, from + documents - this.#filled.documents);
      const tokensFrom = from === piece.from ? piece.tokensFrom : offsets[from]!;
      const tokensTo = to === piece.to ? piece.tokensTo : offsets[to]!;
      await this.#open();
      this.#copy(sources, batch, { split: piece.split, from, to, tokensFrom, tokensTo });
      if (this.#filled.documents === documents) await this.#write();
      from = to;
    }
  }

  async abort(): Promise<void> {
    await this.#writer?.abort();
  }

  /** Nothing more will be taken. */
  close(): void {
    giveScratch(this.#memory);
  }

  get #plan(): ShardPlan {
    return this.#plans[this.written.length]!;
  }

  async #open(): Promise<void> {
    if (this.#writer) return;
    const { dir, domain, schema, tokenizer } = this.#compaction;
    const { sources } = this.#plan;
    this.#places = new Map(sources.map((source, i) => [source, i]));
    this.#batch = 0;
    this.#writer = await openShardWriter(join(dir, this.#path), {
      schema: { tokenType: schema.tokenType, filters: schema.filters },
      metadata: shardMetadata({ split: this.#split, domain, tokenizer }),
      sources,
    });
  }

  get #path(): string {
    return `${this.#split}/${this.#compaction.domain}/${String(this.written.length).padStart(5, "0")}.arrow`;
  }

  #copy(names: readonly string[], { index, readTokens }: SegmentBatch, piece: Piece): void {
    const { documents: at, tokens } = this.#filled;
    const { from, to, tokensFrom, tokensTo } = piece;
    const { offsets, sources, lines, scores } = this.#columns;
    readTokens(tokensFrom, this.#columns.tokens.subarray(tokens, tokens + tokensTo - tokensFrom));
    for (let d = from; d < to; d++) {
      sources[at + d - from] = this.#places.get(names[index.sources[d]!]!)!;
      offsets[at + d - from + 1] = tokens + (d + 1 === to ? tokensTo : index.offsets[d + 1]!) - tokensFrom;
    }
    lines.set(index.lines.subarray(from, to), at);
    for (const [f, column] of scores.entries()) column.set(index.scores[f]!.subarray(from, to), at);
    this.#filled = { documents: at + to - from, tokens: tokens + tokensTo - tokensFrom };
  }

  async #write(): Promise<void> {
    const { documents, tokens } = this.#filled;
    const columns = this.#columns;
    await this.#writer!.write({
      documents,
      offsets: columns.offsets.subarray(0, documents + 1),
      tokens: columns.tokens.subarray(0, tokens),
      sources: columns.sources.subarray(0, documents),
      lines: columns.lines.subarray(0, documents),
      scores: columns.scores.map((column) => column.subarray(0, documents)),
    });
    this.#compaction.onWrite?.(documents, tokens);
    this.#filled = { documents: 0, tokens: 0 };
    if (++this.#batch < this.#plan.batches.length) return;
    const { path: _, ...file } = await this.#writer!.close();
    this.#batch = 0;
    this.#writer = undefined;
    this.written.push({ path: this.#path, split: this.#split, domain: this.#compaction.domain, ...file });
  }
}

interface Columns {
  readonly offsets: Int32Array;
  readonly tokens: TokenIds;
  readonly sources: Int32Array;
  readonly lines: Uint32Array;
  readonly scores: readonly Float32Array[];
}

function columnsFor(schema: ShardSchema, documents: number, tokens: number, memory: ArrayBuffer): Columns {
  return {
    offsets: new Int32Array(documents + 1),
    tokens: tokenArray(schema.tokenType, tokens, memory),
    sources: new Int32Array(documents),
    lines: new Uint32Array(documents),
    scores: schema.filters.map(() => new Float32Array(documents)),
  };
}
