/**
 * Growing columns of documents, handed to a shard writer a batch at a time. Memory is bounded by the batch size and one document.
 */
import type { TokenIds } from "../core/document.ts";
import type { DocumentBatch, ShardWriter } from "../shards/index.ts";

/** Where the batches of a segment are cut, in bytes of token values; cuts of segments never show in the shards. */
const BATCH_BYTES = 1 << 18;
const BATCH_DOCUMENTS = 16_384;

/** Collects documents and writes them to `writer` in batches. */
export class Columns {
  readonly #writer: ShardWriter;
  readonly #filters: number;
  #tokens: TokenIds;
  #offsets = new Int32Array(1025);
  #sources = new Int32Array(1024);
  #lines = new Uint32Array(1024);
  #hashes = new BigUint64Array(1024);
  #scores: Float32Array[];
  #documents = 0;

  constructor(writer: ShardWriter, tokenType: "uint16" | "int32", filters: number) {
    this.#writer = writer;
    this.#filters = filters;
    this.#tokens = tokenType === "uint16" ? new Uint16Array(1 << 14) : new Int32Array(1 << 14);
    this.#scores = Array.from({ length: filters }, () => new Float32Array(1024));
  }

  /** Adds a document: `tokens[0, count)`, its source index, line, scores in 1/65,536 and text hash. */
  async append(
    tokens: TokenIds,
    count: number,
    source: number,
    line: number,
    scores: Int32Array,
    hash: bigint,
  ): Promise<void> {
    const from = this.#offsets[this.#documents]!;
    this.#reserve(from + count);
    this.#tokens.set(tokens.subarray(0, count), from);
    const i = this.#documents++;
    this.#offsets[i + 1] = from + count;
    this.#sources[i] = source;
    this.#lines[i] = line;
    this.#hashes[i] = hash;
    for (let f = 0; f < this.#filters; f++) this.#scores[f]![i] = scores[f]! / 65_536;
    if ((from + count) * this.#tokens.BYTES_PER_ELEMENT >= BATCH_BYTES || this.#documents >= BATCH_DOCUMENTS)
      await this.flush();
  }

  /** Writes what is collected. */
  async flush(): Promise<void> {
    const n = this.#documents;
    if (n === 0) return;
    const batch: DocumentBatch = {
      documents: n,
      offsets: this.#offsets.subarray(0, n + 1),
      tokens: this.#tokens.subarray(0, this.#offsets[n]!),
      sources: this.#sources.subarray(0, n),
      lines: this.#lines.subarray(0, n),
      scores: this.#scores.map((column) => column.subarray(0, n)),
      hashes: this.#hashes.subarray(0, n),
    };
    await this.#writer.write(batch);
    this.#documents = 0;
  }

  #reserve(tokens: number): void {
    if (tokens > this.#tokens.length) this.#tokens = grown(this.#tokens, tokens);
    const documents = this.#documents + 1;
    if (documents < this.#lines.length) return;
    const size = documents * 2;
    this.#offsets = grown(this.#offsets, size + 1);
    this.#sources = grown(this.#sources, size);
    this.#lines = grown(this.#lines, size);
    this.#hashes = grown(this.#hashes, size);
    this.#scores = this.#scores.map((column) => grown(column, size));
  }
}

/** A copy with room for at least `size` elements, doubling. */
function grown<T extends TokenIds | Uint32Array | Float32Array | BigUint64Array>(column: T, size: number): T {
  const Column = column.constructor as new (length: number) => T;
  const larger = new Column(Math.max(size, column.length * 2));
  larger.set(column as never);
  return larger;
}
