/**
 * The score table (docs/format.md 1.3): one record a document of the input, kept or not, so that a threshold can be studied or moved.
 * Tasks write segments of it row by row; the columns of a batch are all that is in memory.
 */
import { HeadraceError } from "../core/errors.ts";
import { type ArrowBatch, openArrowFile } from "./arrow-reader.ts";
import type { Column } from "./columns.ts";

/** A document of the input and what was decided about it. */
export interface ScoreRow {
  readonly source: string;
  /** 1-based number of the physical line in the source. */
  readonly line: number;
  readonly domain: string;
  readonly tokens: number;
  /** One a filter, in 1/65,536. */
  readonly scores: ArrayLike<number>;
  /** `kept`, `held-out` or `dropped:<filter>`; `kept:<filter>` and `held-out:<filter>`: tagged, and not dropped. */
  readonly verdict: string;
  /** The hash of the text (docs/format.md 1.5), by which compaction finds what is held out. */
  readonly hash?: bigint;
}

/** n rows, column by column. Sources, domains and verdicts are indices into the file's dictionaries. */
export interface ScoreBatch {
  readonly documents: number;
  readonly sources: Int32Array;
  readonly lines: Uint32Array;
  readonly domains: Int32Array;
  readonly tokens: Uint32Array;
  /** For each filter n scores. */
  readonly scores: readonly Float32Array[];
  readonly verdicts: Int32Array;
  readonly hashes?: BigUint64Array;
}

/** The strings that a file's batches index. */
export interface ScoreDictionaries {
  readonly sources: readonly string[];
  readonly domains: readonly string[];
  readonly verdicts: readonly string[];
}

/** A file of the score table that was written. */
export interface ScoreFile {
  readonly path: string;
  readonly documents: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file of the score table that is being written. */
export interface ScoreWriter {
  /** Adds a row; await it before the next, for a full batch is written from the same columns. */
  append(row: ScoreRow): Promise<void>;
  /** Commits the file. */
  close(): Promise<ScoreFile>;
  /** Deletes what was written. Does nothing after `close`. */
  abort(): Promise<void>;
}

/** An open file of the score table. */
export interface ScoreReader extends ScoreDictionaries {
  readonly filters: readonly string[];
  /** Rows of each batch. */
  readonly batches: readonly number[];
  readBatch(i: number): ScoreBatch;
  close(): void;
}

/** Rows of a record batch, of segments and of the final table. */
export const SCORE_BATCH = 65_536;

/** Opens a segment of the score table. `hashes` is whether its rows have them. Throws ERR_OUTPUT. */
export async function openScoreWriter(
  path: string,
  options: { readonly filters: readonly string[]; readonly hashes?: boolean },
): Promise<ScoreWriter> {
  const { openArrowWriter } = await import("./arrow-writer.ts");
  const file = await openArrowWriter(path, scoreColumns(options), SCORE_METADATA);
  const columns = scoreBatch(SCORE_BATCH, options);
  const dictionaries = [indexer(), indexer(), indexer()] as const;
  const [sources, domains, verdicts] = dictionaries;
  let filled = 0;
  let documents = 0;

  async function flush(): Promise<void> {
    if (filled === 0) return;
    const rows = filled;
    filled = 0;
    await file.writeBatch(rows, scoreBuffers(columns, rows));
  }

  return {
    async append(row) {
      const i = filled++;
      documents++;
      columns.sources[i] = sources.indexOf(row.source);
      columns.lines[i] = row.line;
      columns.domains[i] = domains.indexOf(row.domain);
      columns.tokens[i] = row.tokens;
      for (const [f, column] of columns.scores.entries()) column[i] = row.scores[f]! / 65_536;
      columns.verdicts[i] = verdicts.indexOf(row.verdict);
      if (columns.hashes) columns.hashes[i] = hashOfRow(row, path);
      if (filled === SCORE_BATCH) await flush();
    },
    async close() {
      await flush();
      for (const [id, { values }] of dictionaries.entries()) await file.writeDictionary(id, values);
      return { path, documents, ...(await file.close()) };
    },
    abort: () => file.abort(),
  };
}

/** Opens a file of the score table. Throws ERR_SHARD. */
export function openScores(path: string): ScoreReader {
  const file = openArrowFile(path);
  const hashes = file.columns.at(-1)?.name === "hash";
  const filters = file.columns.slice(4, hashes ? -2 : -1).map(({ name }) => name);
  const expected = scoreColumns({ filters, hashes });
  if (JSON.stringify(file.columns) !== JSON.stringify(expected)) {
    file.close();
    throw new HeadraceError(
      "ERR_SHARD",
      `${path} is no score table: its columns are others; name one that a build wrote`,
    );
  }
  const [sources, domains, verdicts] = file.dictionaries;

  function readBatch({ rows, buffers }: ArrowBatch): ScoreBatch {
    const batch = scoreBatch(rows, { filters, hashes });
    for (const [i, buffer] of scoreBuffers(batch, rows).entries()) file.read(buffer, buffers[i]!.at);
    const names: readonly [Int32Array, readonly string[]][] = [
      [batch.sources, sources!],
      [batch.domains, domains!],
      [batch.verdicts, verdicts!],
    ];
    for (const [column, dictionary] of names)
      for (const index of column)
        if (index < 0 || index >= dictionary.length)
          throw new HeadraceError(
            "ERR_SHARD",
            `${path} names entry ${index} of a dictionary of ${dictionary.length}`,
          );
    return batch;
  }

  return {
    filters,
    sources: sources!,
    domains: domains!,
    verdicts: verdicts!,
    batches: file.batches.map(({ rows }) => rows),
    readBatch(i) {
      const batch = file.batches[i];
      if (!batch)
        throw new HeadraceError("ERR_ARGUMENT", `batch ${i} of ${path}, which has ${file.batches.length}`);
      return readBatch(batch);
    },
    close: () => file.close(),
  };
}

/** Schema metadata of the score table. */
export const SCORE_METADATA = { "headrace.format": "headrace-scores/1" } as const;

/** The Arrow columns of the score table, in file order. */
export function scoreColumns(options: {
  readonly filters: readonly string[];
  readonly hashes?: boolean;
}): readonly Column[] {
  return [
    { name: "source", kind: "dictionary" },
    { name: "line", kind: "uint32" },
    { name: "domain", kind: "dictionary" },
    { name: "tokens", kind: "uint32" },
    ...options.filters.map((name) => ({ name, kind: "float32" }) as const),
    { name: "verdict", kind: "dictionary" },
    ...(options.hashes ? [{ name: "hash", kind: "uint64" } as const] : []),
  ];
}

/** Columns for `rows` rows. */
export function scoreBatch(
  rows: number,
  options: { readonly filters: readonly string[]; readonly hashes?: boolean },
): ScoreBatch {
  return {
    documents: rows,
    sources: new Int32Array(rows),
    lines: new Uint32Array(rows),
    domains: new Int32Array(rows),
    tokens: new Uint32Array(rows),
    scores: options.filters.map(() => new Float32Array(rows)),
    verdicts: new Int32Array(rows),
    ...(options.hashes && { hashes: new BigUint64Array(rows) }),
  };
}

/** The first `rows` rows of a batch as buffers in file order. */
export function scoreBuffers(batch: ScoreBatch, rows: number): readonly ArrayBufferView[] {
  return [
    batch.sources,
    batch.lines,
    batch.domains,
    batch.tokens,
    ...batch.scores,
    batch.verdicts,
    ...(batch.hashes ? [batch.hashes] : []),
  ].map((column) => column.subarray(0, rows));
}

/** Gives strings their index in order of first use. */
export function indexer() {
  const places = new Map<string, number>();
  const values: string[] = [];
  return {
    values: values as readonly string[],
    indexOf(value: string): number {
      const known = places.get(value);
      if (known !== undefined) return known;
      places.set(value, values.length);
      return values.push(value) - 1;
    },
  };
}

function hashOfRow(row: ScoreRow, path: string): bigint {
  if (row.hash === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `line ${row.line} of ${row.source} has no hash, and ${path} was opened with hashes`,
    );
  return row.hash;
}
