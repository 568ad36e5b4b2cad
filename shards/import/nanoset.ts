/**
 * Reads datatrove's tokenized files: `X.ds` with `X.ds.index` (document ends in tokens, uint64). The width of a token is in
 * `X.ds.metadata`; where that is absent it follows from the size of the file and the last document's end.
 */
import { existsSync, readFileSync } from "node:fs";
import { type ForeignTokens, foreignError, openValues, readIds, type ValueFile } from "./foreign.ts";

/** Ends that are checked at a time. */
const CHUNK = 65_536;

/** Opens a file and checks its whole index, in one pass over it. Throws ERR_INPUT. */
export function openNanoset(path: string): ForeignTokens {
  const index = openValues(`${path}.index`);
  let data: ValueFile | undefined;
  try {
    data = openValues(path);
    return describe(index, data);
  } catch (error) {
    index.close();
    data?.close();
    throw error;
  }
}

function describe(index: ValueFile, data: ValueFile): ForeignTokens {
  if (index.bytes % 8 !== 0) throw foreignError(index.path, `it has ${index.bytes} bytes, no multiple of 8`);
  const documents = index.bytes / 8;
  const endsOf = (from: number, to: number): BigUint64Array => {
    const ends = new BigUint64Array(to - from);
    index.read(8 * from, ends);
    return ends;
  };
  let tokens = 0;
  for (let from = 0; from < documents; from += CHUNK)
    for (const [i, end] of endsOf(from, Math.min(documents, from + CHUNK)).entries()) {
      if (end < tokens || Number(end) - tokens >= 2 ** 31)
        throw foreignError(
          index.path,
          `document ${from + i} ends at token ${end}, and the one before it at ${tokens}`,
        );
      tokens = Number(end);
    }
  const stated = statedWidth(data.path);
  const width = stated ?? (tokens === 0 ? 2 : data.bytes / tokens);
  if ((width !== 2 && width !== 4) || data.bytes !== width * tokens)
    throw foreignError(
      data.path,
      `it has ${data.bytes} bytes, and its index says ${tokens} tokens${stated ? ` of ${stated} bytes` : " (of 2 or 4 bytes)"}`,
    );
  const type = width === 2 ? "uint16" : "uint32";
  return {
    paths: [index.path, data.path],
    bytes: index.bytes + data.bytes,
    documents,
    tokens,
    values: { path: data.path, type },
    lengths(from, to) {
      const before = from === 0 ? 0 : Number(endsOf(from - 1, from)[0]);
      const ends = endsOf(from, to);
      return lengthsOf(ends, before);
    },
    read: (at, into) => readIds(data, type, at, into),
    close() {
      index.close();
      data.close();
    },
  };
}

/** The width in the metadata, whose first line is `<tokenizer>|<bytes of a token>`. */
function statedWidth(path: string): number | undefined {
  const metadata = `${path}.metadata`;
  if (!existsSync(metadata)) return undefined;
  const [first = ""] = readFileSync(metadata, "utf8").split("\n");
  const width = Number(/\|(\d+)$/.exec(first)?.[1]);
  if (width !== 2 && width !== 4)
    throw foreignError(metadata, `its first line "${first}" names no width of 2 or 4 bytes`);
  return width;
}

function lengthsOf(ends: BigUint64Array, before: number): Int32Array {
  const lengths = new Int32Array(ends.length);
  for (let d = 0; d < ends.length; d++)
    lengths[d] = Number(ends[d]) - (d === 0 ? before : Number(ends[d - 1]));
  return lengths;
}
