/**
 * Makes a pack plan: reads the lengths of the train documents (4 bytes each, no token), cuts what is longer than a row, and packs the pieces of each
 * domain in groups of a million, in stream order. A pure function of the shards and the options; memory is that of a group, about 40 MB.
 */
import { join } from "node:path";
import { HeadraceError } from "../../core/errors.ts";
import { openFilePool } from "../files.ts";
import { readManifest, type ShardManifest } from "../manifest.ts";
import { type GrowingFile, openPendingFolder } from "../pending-folder.ts";
import { fitPieces } from "./fit.ts";
import {
  listPacks,
  PACKS,
  type PackDomain,
  type PackPlan,
  packFolder,
  packHash,
  WIDEST_ROW,
} from "./plan.ts";

export interface PackOptions {
  /** L: tokens a row. */
  readonly rowTokens: number;
  /** 1 for trainers that shift: rows are L + 1 wide, and the pieces of one document overlap by a token. Default 0. */
  readonly lookahead?: 0 | 1;
  /** Pieces that are packed together; default 1,048,576. More waste less and need more memory. */
  readonly groupPieces?: number;
  /** The id behind the last piece of a row; default the tokenizer's EOS, else its BOS, else 0. */
  readonly padding?: number;
  readonly onProgress?: (progress: PackProgress) => void;
}

/** How far a plan is. */
export interface PackProgress {
  readonly domain: string;
  readonly documentsDone: number;
  readonly documents: number;
}

/** A domain of a plan, and what concatenation would have made of it. */
export interface PackedDomain extends PackDomain {
  /** Ids that are padding. */
  readonly paddingTokens: number;
  /** Rows that concatenation makes, and documents that it cuts, from the start of the stream. */
  readonly concatRows: number;
  readonly concatCut: number;
}

/** What was made. */
export interface PackReport {
  readonly hash: string;
  readonly folder: string;
  readonly plan: PackPlan;
  readonly domains: readonly PackedDomain[];
  /** Whether the same plan was there before. */
  readonly existed: boolean;
}

const GROUP_PIECES = 2 ** 20;
/** Offsets are read this many at a time. */
const READ_DOCUMENTS = 2 ** 16;
const LENGTH_RANGE = 2 ** 20;
const FARTHEST_TOKEN = 2 ** 44;

/**
 * Packs the train documents of a folder of shards. The plan lies in `DIR/packs/<hash>`; the same options over the same shards give the same plan, which is
 * then left as it is. Throws ERR_ARGUMENT on options out of range, ERR_SHARD where offsets cannot be read, ERR_OUTPUT.
 */
export async function packShards(dir: string, options: PackOptions): Promise<PackReport> {
  const manifest = await readManifest(dir);
  const { rowTokens, lookahead = 0, groupPieces = GROUP_PIECES } = options;
  const padding = options.padding ?? manifest.tokenizer.eos ?? manifest.tokenizer.bos ?? 0;
  checkOptions(rowTokens, lookahead, groupPieces, padding, manifest);
  const pending = await openPendingFolder(join(dir, PACKS, "new"));
  try {
    const domains: PackedDomain[] = [];
    for (const name of manifest.domains)
      domains.push(
        await packDomain(dir, manifest, name, { rowTokens, lookahead, groupPieces }, pending, options),
      );
    const plan: PackPlan = {
      format: "headrace-pack/1",
      rowTokens,
      lookahead,
      groupPieces,
      padding,
      shards: manifest.fingerprint,
      domains: domains.map(({ paddingTokens: _, concatRows: __, concatCut: ___, ...domain }) => domain),
    };
    const hash = packHash(plan);
    const known = await listPacks(dir, manifest.fingerprint);
    const existed = known.some((one) => one.hash === hash);
    if (existed) await pending.abort();
    else {
      const file = await pending.create("pack.json");
      await file.write(new TextEncoder().encode(`${JSON.stringify(plan, null, 2)}\n`));
      await file.close();
      await pending.commit(packFolder(dir, hash));
    }
    return { hash, folder: packFolder(dir, hash), plan, domains, existed };
  } finally {
    await pending.abort();
  }
}

function checkOptions(
  rowTokens: number,
  lookahead: number,
  groupPieces: number,
  padding: number,
  { tokenizer }: ShardManifest,
): void {
  const refuse = (what: string, seen: number, range: string) => {
    throw new HeadraceError("ERR_ARGUMENT", `${what} is ${seen}; it is a whole number ${range}`);
  };
  const whole = (value: number, from: number, to: number) =>
    Number.isSafeInteger(value) && value >= from && value <= to;
  if (!whole(rowTokens, 1, WIDEST_ROW - lookahead))
    refuse("the row", rowTokens, `of tokens from 1 to ${WIDEST_ROW - lookahead}`);
  if (!whole(groupPieces, 1, 2 ** 28)) refuse("the group", groupPieces, `of pieces from 1 to ${2 ** 28}`);
  if (!whole(padding, 0, tokenizer.vocabularySize - 1))
    refuse("the padding id", padding, `below the vocabulary's ${tokenizer.vocabularySize}`);
}

/** Packs one domain, group by group, into its two files. */
async function packDomain(
  dir: string,
  manifest: ShardManifest,
  name: string,
  shape: { readonly rowTokens: number; readonly lookahead: number; readonly groupPieces: number },
  pending: { create(path: string): Promise<GrowingFile> },
  { onProgress }: PackOptions,
): Promise<PackedDomain> {
  const { rowTokens, lookahead, groupPieces } = shape;
  const width = rowTokens + lookahead;
  const total = { documents: 0, cut: 0, pieces: 0, rows: 0, tokens: 0, concatCut: 0, stream: 0 };
  const all = manifest.shards
    .filter(({ split, domain }) => split === "train" && domain === name)
    .reduce((sum, { documents }) => sum + documents, 0);
  const capacity = Math.min(groupPieces, 2 ** 20);
  let group = { starts: new Float64Array(capacity), lengths: new Uint32Array(capacity), pieces: 0 };
  const pieceFile = await pending.create(`${name}.pieces`);
  const rowFile = await pending.create(`${name}.rows`);
  await rowFile.write(new Uint32Array(1));

  async function flush(): Promise<void> {
    const { starts, pieces } = group;
    const { edges, pieces: order } = fitPieces(group.lengths.subarray(0, pieces), width);
    await pieceFile.write(encoded(starts, group.lengths, order));
    await rowFile.write(edges.subarray(1).map((edge) => edge + total.pieces));
    total.pieces += pieces;
    total.rows += edges.length - 1;
    group.pieces = 0;
    if (total.pieces > 2 ** 32 - groupPieces)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `domain "${name}" has more than ${2 ** 32 - groupPieces} pieces of documents; pack longer rows, or build it as several domains`,
      );
  }

  for (const lengths of documentLengths(dir, manifest, name)) {
    for (const length of lengths) {
      if (length === 0) continue;
      const start = total.stream;
      total.stream += length;
      total.documents++;
      if (Math.floor(start / rowTokens) !== Math.floor((total.stream - 1) / rowTokens)) total.concatCut++;
      const pieces = Math.max(1, Math.ceil((length - lookahead) / rowTokens));
      if (pieces > 1) total.cut++;
      for (let piece = 0; piece < pieces; piece++) {
        if (group.pieces === group.starts.length) group = grown(group, groupPieces);
        const count = Math.min(width, length - piece * rowTokens);
        group.starts[group.pieces] = start + piece * rowTokens;
        group.lengths[group.pieces++] = count;
        total.tokens += count;
        if (group.pieces === groupPieces) await flush();
      }
    }
    onProgress?.({ domain: name, documentsDone: total.documents, documents: all });
  }
  if (group.pieces > 0) await flush();
  if (total.stream > FARTHEST_TOKEN)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `domain "${name}" has ${total.stream} tokens, and a pack plan reaches ${FARTHEST_TOKEN}; build it as several domains`,
    );
  const { documents, cut, pieces, rows, tokens, concatCut } = total;
  return {
    name,
    documents,
    cut,
    pieces,
    rows,
    tokens,
    piecesSha256: (await pieceFile.close()).sha256,
    rowsSha256: (await rowFile.close()).sha256,
    paddingTokens: rows * width - tokens,
    concatRows: Math.floor(total.stream / rowTokens),
    concatCut,
  };
}

interface Group {
  readonly starts: Float64Array<ArrayBuffer>;
  readonly lengths: Uint32Array<ArrayBuffer>;
  pieces: number;
}

function grown({ starts, lengths, pieces }: Group, most: number): Group {
  const capacity = Math.min(most, 2 * pieces);
  const wider = { starts: new Float64Array(capacity), lengths: new Uint32Array(capacity), pieces };
  wider.starts.set(starts);
  wider.lengths.set(lengths);
  return wider;
}

/** Pieces in the order of their rows, each position x 2^20 + length in 64 bits, little-endian. */
function encoded(starts: Float64Array, lengths: Uint32Array, order: Uint32Array): Uint32Array {
  const words = new Uint32Array(2 * order.length);
  for (let i = 0; i < order.length; i++) {
    const start = starts[order[i]!]!;
    const high = Math.floor(start / 4096);
    words[2 * i] = (start - high * 4096) * LENGTH_RANGE + lengths[order[i]!]!;
    words[2 * i + 1] = high;
  }
  return words;
}

/** The lengths of a domain's train documents, in stream order, 65,536 at a time. */
function* documentLengths(dir: string, manifest: ShardManifest, name: string): Generator<Uint32Array> {
  const files = openFilePool();
  try {
    for (const { split, domain, path, batches, foreign } of manifest.shards) {
      if (split !== "train" || domain !== name) continue;
      const file = join(dir, foreign?.offsets.path ?? path);
      for (const { documents, offsetsAt, tokens } of batches)
        for (let from = 0; from < documents; from += READ_DOCUMENTS) {
          const offsets = new Int32Array(Math.min(READ_DOCUMENTS, documents - from) + 1);
          files.read(file, new Uint8Array(offsets.buffer), offsetsAt + 4 * from);
          yield lengthsOf(offsets, tokens, file);
        }
    }
  } finally {
    files.close();
  }
}

/** Differences of list offsets. Throws ERR_SHARD where they fall, or pass the batch's tokens. */
function lengthsOf(offsets: Int32Array, tokens: number, file: string): Uint32Array {
  const lengths = new Uint32Array(offsets.length - 1);
  for (let i = 0; i < lengths.length; i++) {
    const [from, until] = [offsets[i]!, offsets[i + 1]!];
    if (until < from || until > tokens)
      throw new HeadraceError(
        "ERR_SHARD",
        `${file} has offset ${until} after ${from} in a batch of ${tokens} tokens; restore the file or build again`,
      );
    lengths[i] = until - from;
  }
  return lengths;
}
