/**
 * Best-fit decreasing: pieces of documents into rows of one width, as "Fewer Truncations Improve Language Modeling" (arXiv 2404.10830, section 3)
 * packs them: longest first, each into the row with the least room that still takes it. O(pieces), since rows are looked up by their room.
 */

/** Which pieces make which row. */
export interface FittedRows {
  /** Row i holds pieces `pieces[edges[i]]` up to `pieces[edges[i + 1]]`, exclusive. */
  readonly edges: Uint32Array;
  /** Index of each piece. */
  readonly pieces: Uint32Array;
}

/**
 * Rows of at most `width` tokens from pieces of 1 to `width` tokens. Rows come in the order of their first piece and pieces in theirs, so that
 * what is near in the stream stays near. Deterministic: equal lengths are taken in order, rows of equal room last filled first.
 * Memory: 20 bytes a piece.
 */
export function fitPieces(lengths: Uint32Array, width: number): FittedRows {
  const rowOf = new Uint32Array(lengths.length);
  const next = new Uint32Array(lengths.length);
  const room = openRooms(width, next);
  let rows = 0;
  for (const piece of byLengthDescending(lengths, width)) {
    const length = lengths[piece]!;
    const found = length === width ? -1 : room.leastFrom(length);
    const row = found < 0 ? rows++ : room.take(found);
    rowOf[piece] = row;
    const left = (found < 0 ? width : found) - length;
    if (left > 0) room.put(row, left);
  }
  return inOrder(rowOf, rows);
}

/** Indices sorted by length, longest first, equal ones ascending: one counting sort. */
function byLengthDescending(lengths: Uint32Array, width: number): Uint32Array {
  const ends = new Uint32Array(width + 2);
  for (const length of lengths) ends[width - length + 1]!++;
  for (let i = 1; i < ends.length; i++) ends[i]! += ends[i - 1]!;
  const sorted = new Uint32Array(lengths.length);
  for (let piece = 0; piece < lengths.length; piece++) sorted[ends[width - lengths[piece]!]!++] = piece;
  return sorted;
}

/** Rows by the room that they have left: a stack for each room, and a bit for each stack that is not empty. */
function openRooms(width: number, next: Uint32Array) {
  const heads = new Int32Array(width + 1).fill(-1);
  const bits = new Uint32Array((width >>> 5) + 1);
  return {
    put(row: number, left: number): void {
      next[row] = heads[left]! + 1;
      heads[left] = row;
      bits[left >>> 5]! |= 1 << (left & 31);
    },
    take(left: number): number {
      const row = heads[left]!;
      heads[left] = next[row]! - 1;
      if (heads[left] === -1) bits[left >>> 5]! &= ~(1 << (left & 31));
      return row;
    },
    /** The least room of at least `length` that a row has; -1 if none. */
    leastFrom(length: number): number {
      let word = length >>> 5;
      let set = bits[word]! & (-1 << (length & 31));
      while (set === 0 && ++word < bits.length) set = bits[word]!;
      return set === 0 ? -1 : word * 32 + 31 - Math.clz32(set & -set);
    },
  };
}

/** Rows numbered anew by their first piece. */
function inOrder(rowOf: Uint32Array, rows: number): FittedRows {
  const numbers = new Int32Array(rows).fill(-1);
  const edges = new Uint32Array(rows + 1);
  let seen = 0;
  for (const row of rowOf) {
    if (numbers[row] === -1) numbers[row] = seen++;
    edges[numbers[row]! + 1]!++;
  }
  for (let row = 0; row < rows; row++) edges[row + 1]! += edges[row]!;
  const filled = edges.slice();
  const pieces = new Uint32Array(rowOf.length);
  for (let piece = 0; piece < rowOf.length; piece++) pieces[filled[numbers[rowOf[piece]!]!]!++] = piece;
  return { edges, pieces };
}
