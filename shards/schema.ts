/**
 * What a shard holds: its schema, and the batch of documents that writers take and readers return.
 * Columns are typed arrays in Arrow's own layout, so that nothing is converted on the way to or from the disk.
 */
import type { TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import type { Column } from "./columns.ts";

/** How token ids are stored: 16 bits where every id of the vocabulary fits, else 32. */
export type TokenType = "uint16" | "int32";

/** The columns of a shard beside `tokens`, `source` and `line`. */
export interface ShardSchema {
  readonly tokenType: TokenType;
  /** Names of the filters, in the order of their score columns. */
  readonly filters: readonly string[];
  /** Segments only: a uint64 column `hash`, the hash of each document's text (docs/format.md 1.5). */
  readonly hashes?: boolean;
}

/** n documents, column by column. */
export interface DocumentBatch {
  /** n. */
  readonly documents: number;
  /** n + 1 positions in `tokens`, ascending, the first 0. */
  readonly offsets: Int32Array;
  /** offsets[n] token ids, of the type that the schema names. */
  readonly tokens: TokenIds;
  /** n indices into the file's list of sources. */
  readonly sources: Int32Array;
  /** n physical line numbers, 1-based. */
  readonly lines: Uint32Array;
  /** For each filter n scores. */
  readonly scores: readonly Float32Array[];
  /** n hashes, where the schema has them. */
  readonly hashes?: BigUint64Array;
}

/** Where a record batch lies in its file: byte positions of its n + 1 list offsets and of its first token value. */
export interface BatchPosition {
  readonly documents: number;
  readonly tokens: number;
  readonly offsetsAt: number;
  readonly tokensAt: number;
}

/** Bytes of one token id. */
export function tokenBytes(tokenType: TokenType): 2 | 4 {
  return tokenType === "uint16" ? 2 : 4;
}

/** An array for `length` token ids, in memory of its own or in the one that is given. */
export function tokenArray(tokenType: TokenType, length: number, memory?: ArrayBuffer): TokenIds {
  const Ids = tokenType === "uint16" ? Uint16Array : Int32Array;
  return memory === undefined ? new Ids(length) : new Ids(memory, 0, length);
}

/** The Arrow columns of a schema, in file order (docs/format.md 1.1). Throws ERR_ARGUMENT where a filter's name is taken. */
export function shardColumns(schema: ShardSchema): readonly Column[] {
  const columns: Column[] = [
    { name: "tokens", kind: "list", item: schema.tokenType },
    { name: "source", kind: "dictionary" },
    { name: "line", kind: "uint32" },
    ...schema.filters.map((name): Column => ({ name, kind: "float32" })),
  ];
  if (schema.hashes) columns.push({ name: "hash", kind: "uint64" });
  const reserved = ["tokens", "source", "line", "hash"];
  const seen = new Set<string>();
  for (const name of schema.filters) {
    if (reserved.includes(name) || seen.has(name))
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `filter name "${name}" is taken by another column; rename the filter (taken: ${[...reserved, ...seen].join(", ")})`,
      );
    seen.add(name);
  }
  return columns;
}

/** The schema whose columns these are, or a sentence that says which column is not a shard's. */
export function schemaOfColumns(columns: readonly Column[]): ShardSchema | string {
  const [tokens, source, line, ...rest] = columns;
  if (tokens?.name !== "tokens" || tokens.kind !== "list") return `column 0 is not the list "tokens"`;
  if (source?.name !== "source" || source.kind !== "dictionary")
    return `column 1 is not the dictionary "source"`;
  if (line?.name !== "line" || line.kind !== "uint32") return `column 2 is not the uint32 "line"`;
  const last = rest.at(-1);
  const hashes = last?.name === "hash" && last.kind === "uint64";
  const scores = hashes ? rest.slice(0, -1) : rest;
  const stranger = scores.find((column) => column.kind !== "float32");
  if (stranger) return `column "${stranger.name}" is ${stranger.kind}, and scores are float32`;
  return { tokenType: tokens.item, filters: scores.map(({ name }) => name), ...(hashes && { hashes }) };
}
