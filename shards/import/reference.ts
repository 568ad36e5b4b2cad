/**
 * A foreign file as a shard that refers to it: a link to its token values, and beside it the list offsets that a row's documents are found by.
 * No token is copied; what refers is a few bytes a document. The hash of the foreign file binds the shard to what was checked.
 */
import { symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { attempt } from "../../core/commit.ts";
import { HeadraceError } from "../../core/errors.ts";
import type { ForeignShard } from "../manifest.ts";
import type { PendingFolder } from "../pending-folder.ts";
import { type TokenType, tokenBytes } from "../schema.ts";
import type { ValueType } from "./foreign.ts";
import type { OpenInput } from "./scan.ts";

/** Documents of a batch at most, as in an Arrow shard: a reader keeps the offsets of a few batches. */
const BATCH_DOCUMENTS = 65_536;
/** A batch ends before the document that would bring it over so many tokens, so that its offsets fit 31 bits. */
const BATCH_TOKENS = 2 ** 30;

/** How the ids lie in a file that can be referred to: each type as the one with the same bytes for every id that a tokenizer has. */
const AS_TOKENS: Partial<Record<ValueType, TokenType>> = {
  int16: "uint16",
  uint16: "uint16",
  int32: "int32",
  uint32: "int32",
};

/** The token type that all inputs have on disk. Throws ERR_ARGUMENT where one has none that shards know, or two have different ones. */
export function referableType(inputs: readonly OpenInput[]): TokenType {
  let found: { readonly type: TokenType; readonly source: string } | undefined;
  for (const { source, tokens } of inputs) {
    const type = AS_TOKENS[tokens.values.type];
    if (!type)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `${source} holds ${tokens.values.type} values, and shards refer to 16 or 32 bits; leave out --reference and import a copy`,
      );
    if (found && found.type !== type)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `${found.source} holds ${found.type} and ${source} ${type}, and a folder of shards has one type; leave out --reference and import a copy`,
      );
    found ??= { type, source };
  }
  return found?.type ?? "uint16";
}

/** Where references are written, and what they are bound to. */
interface Referring {
  readonly folder: PendingFolder;
  readonly tokenType: TokenType;
  /** SHA-256 by the path of a file. */
  readonly hashes: ReadonlyMap<string, string>;
}

/** Writes what refers to the inputs of one split and domain: a shard for each that has documents. Throws ERR_OUTPUT. */
export async function referToAll(
  inputs: readonly OpenInput[],
  of: Referring,
): Promise<readonly ForeignShard[]> {
  const shards: ForeignShard[] = [];
  for (const input of inputs)
    if (input.tokens.documents > 0) shards.push(await referTo(input, shards.length, of));
  return shards;
}

async function referTo(input: OpenInput, number: number, of: Referring): Promise<ForeignShard> {
  const { split, domain, source, tokens } = input;
  const name = `${split}/${domain}/${String(number).padStart(5, "0")}`;
  const offsetsFile = await of.folder.create(`${name}.offsets`);
  const batches = [];
  let position = 0;
  try {
    for (const lengths of batchesOf(input)) {
      const offsets = offsetsOf(lengths);
      const count = offsets[lengths.length]!;
      batches.push({
        documents: lengths.length,
        tokens: count,
        offsetsAt: offsetsFile.bytes,
        tokensAt: position * tokenBytes(of.tokenType),
      });
      position += count;
      await offsetsFile.write(offsets);
    }
    const offsets = await offsetsFile.close();
    const path = `${name}.tokens`;
    const link = join(of.folder.path, path);
    await attempt(link, () => symlink(resolve(tokens.values.path), link));
    return {
      path,
      split,
      domain,
      documents: tokens.documents,
      tokens: tokens.tokens,
      bytes: tokens.tokens * tokenBytes(of.tokenType),
      sha256: of.hashes.get(tokens.values.path)!,
      batches,
      foreign: { source, offsets },
    };
  } finally {
    await offsetsFile.abort();
  }
}

/** The lengths of the documents, batch by batch. */
function* batchesOf({ tokens }: OpenInput): Generator<Int32Array> {
  for (let first = 0; first < tokens.documents; first += BATCH_DOCUMENTS) {
    const lengths = tokens.lengths(first, Math.min(tokens.documents, first + BATCH_DOCUMENTS));
    for (let from = 0; from < lengths.length; ) {
      let to = from + 1;
      let count = lengths[from]!;
      while (to < lengths.length && count + lengths[to]! <= BATCH_TOKENS) count += lengths[to++]!;
      yield lengths.subarray(from, to);
      from = to;
    }
  }
}

/** n + 1 offsets, and a zero more where that makes their bytes a multiple of 8. */
function offsetsOf(lengths: Int32Array): Int32Array {
  const offsets = new Int32Array(Math.ceil((lengths.length + 1) / 2) * 2);
  for (const [i, length] of lengths.entries()) offsets[i + 1] = offsets[i]! + length;
  return offsets;
}
