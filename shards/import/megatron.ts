/**
 * Reads Megatron-LM's indexed dataset, `PREFIX.bin` and `PREFIX.idx` (index version 1). A document may be several sequences.
 * Refuses what would lose something: sequence modes (multimodal data), and sequences that do not lie one after another.
 */
import {
  type ForeignTokens,
  foreignError,
  openValues,
  readIds,
  VALUE_BYTES,
  type ValueFile,
  type ValueType,
} from "./foreign.ts";

/** The token types by Megatron's code; 2 (int8), 6 and 7 (floating point) hold no token ids. */
const TYPES: Readonly<Record<number, ValueType>> = {
  1: "uint8",
  3: "int16",
  4: "int32",
  5: "int64",
  8: "uint16",
};
const MAGIC = "MMIDIDX\0\0";
const HEADER_BYTES = 34;
/** Entries of the index that are read at a time. */
const CHUNK = 65_536;

/** Opens a pair and checks the whole index, in one pass over it. Memory is a few chunks. Throws ERR_INPUT. */
export function openMegatron(prefix: string): ForeignTokens {
  const idx = openValues(`${prefix}.idx`);
  let bin: ValueFile | undefined;
  try {
    bin = openValues(`${prefix}.bin`);
    return describe(idx, bin);
  } catch (error) {
    idx.close();
    bin?.close();
    throw error;
  }
}

function describe(idx: ValueFile, bin: ValueFile): ForeignTokens {
  const head = new DataView(new ArrayBuffer(HEADER_BYTES));
  if (idx.bytes < HEADER_BYTES)
    throw foreignError(idx.path, `it has ${idx.bytes} bytes, fewer than any index`);
  idx.read(0, head);
  if (new TextDecoder("latin1").decode(new Uint8Array(head.buffer, 0, 9)) !== MAGIC)
    throw foreignError(idx.path, "it does not begin with MMIDIDX, so it is no index of Megatron's");
  const version = Number(head.getBigUint64(9, true));
  if (version !== 1) throw foreignError(idx.path, `its version is ${version}, and 1 is known`);
  const type = TYPES[head.getUint8(17)];
  if (!type) throw foreignError(idx.path, `its type code is ${head.getUint8(17)}, which holds no token ids`);
  const sequences = Number(head.getBigUint64(18, true));
  const boundaries = Number(head.getBigUint64(26, true));
  const lengthsAt = HEADER_BYTES;
  const pointersAt = lengthsAt + 4 * sequences;
  const documentsAt = pointersAt + 8 * sequences;
  const end = documentsAt + 8 * boundaries;
  if (idx.bytes === end + sequences && sequences > 0)
    throw foreignError(
      idx.path,
      "it has sequence modes, so the data is multimodal, which headrace does not mix",
    );
  if (idx.bytes !== end || boundaries < 1)
    throw foreignError(
      idx.path,
      `it has ${idx.bytes} bytes, and ${sequences} sequences in ${boundaries - 1} documents need ${end}`,
    );
  const width = VALUE_BYTES[type];
  const tokens = checkSequences(idx, bin, { sequences, lengthsAt, pointersAt, width });
  checkDocuments(idx, { sequences, boundaries, documentsAt });

  return {
    paths: [idx.path, bin.path],
    bytes: idx.bytes + bin.bytes,
    documents: boundaries - 1,
    tokens,
    values: { path: bin.path, type },
    lengths(from, to) {
      const ends = new BigInt64Array(to - from + 1);
      idx.read(documentsAt + 8 * from, ends);
      const first = Number(ends[0]);
      const parts = new Int32Array(Number(ends[to - from]) - first);
      idx.read(lengthsAt + 4 * first, parts);
      const lengths = new Int32Array(to - from);
      for (let d = 0; d < lengths.length; d++) {
        let length = 0;
        for (let s = Number(ends[d]) - first; s < Number(ends[d + 1]) - first; s++) length += parts[s]!;
        if (length >= 2 ** 31)
          throw foreignError(idx.path, `document ${from + d} has ${length} tokens, and 2^31 − 1 is the most`);
        lengths[d] = length;
      }
      return lengths;
    },
    read: (at, into) => readIds(bin, type, at, into),
    close() {
      idx.close();
      bin.close();
    },
  };
}

/** Whether the sequences fill the data file from its first byte to its last; returns their tokens. */
function checkSequences(
  idx: ValueFile,
  bin: ValueFile,
  of: {
    readonly sequences: number;
    readonly lengthsAt: number;
    readonly pointersAt: number;
    readonly width: number;
  },
): number {
  let tokens = 0;
  for (let from = 0; from < of.sequences; from += CHUNK) {
    const count = Math.min(CHUNK, of.sequences - from);
    const lengths = new Int32Array(count);
    const pointers = new BigInt64Array(count);
    idx.read(of.lengthsAt + 4 * from, lengths);
    idx.read(of.pointersAt + 8 * from, pointers);
    for (let i = 0; i < count; i++) {
      if (Number(pointers[i]) !== tokens * of.width || lengths[i]! < 0)
        throw foreignError(
          idx.path,
          `sequence ${from + i} has ${lengths[i]} tokens at byte ${pointers[i]}, and the one before it ends at ${tokens * of.width}`,
        );
      tokens += lengths[i]!;
    }
  }
  if (bin.bytes !== tokens * of.width)
    throw foreignError(bin.path, `it has ${bin.bytes} bytes, and its index says ${tokens * of.width}`);
  return tokens;
}

/** Whether the documents begin with sequence 0, never go back, and end with the last. */
function checkDocuments(
  idx: ValueFile,
  of: { readonly sequences: number; readonly boundaries: number; readonly documentsAt: number },
): void {
  let before = 0n;
  for (let from = 0; from < of.boundaries; from += CHUNK) {
    const ends = new BigInt64Array(Math.min(CHUNK, of.boundaries - from));
    idx.read(of.documentsAt + 8 * from, ends);
    for (const [i, end] of ends.entries()) {
      if (end < before || (from + i === 0 && end !== 0n))
        throw foreignError(idx.path, `document boundary ${from + i} is sequence ${end}, after ${before}`);
      before = end;
    }
  }
  if (Number(before) !== of.sequences)
    throw foreignError(idx.path, `its documents end at sequence ${before} of ${of.sequences}`);
}
