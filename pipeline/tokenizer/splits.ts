/**
 * Every way to make a piece of two pieces. Two tries, of the pieces and of the pieces read backwards, find all beginnings and ends of a
 * piece that are pieces in one walk each, without a string for every cut (a quarter of a million in LLaMA-2's vocabulary).
 */

/** Left, right and result of every split, in the order of `ids` and from left to right. Linear in the characters. */
export function splitsOf(ids: ReadonlyMap<string, number>): Int32Array {
  let units = 0;
  for (const piece of ids.keys()) units += piece.length;
  const begins = trie(units);
  const ends = trie(units);
  /** Node of the beginning, or end, that stops, or starts, at a place of a piece. */
  const beginAt = new Int32Array(units);
  const endAt = new Int32Array(units);
  let base = 0;
  for (const [piece, id] of ids) {
    let node = 0;
    for (let i = 0; i < piece.length; i++)
      beginAt[base + i] = node = child(begins, node, piece.charCodeAt(i));
    begins.ids[node] = id;
    node = 0;
    for (let i = piece.length - 1; i >= 0; i--)
      endAt[base + i] = node = child(ends, node, piece.charCodeAt(i));
    ends.ids[node] = id;
    base += piece.length;
  }
  const splits = new Int32Array(3 * units);
  let count = 0;
  base = 0;
  for (const [piece, id] of ids) {
    for (let i = 1; i < piece.length; i++) {
      const left = begins.ids[beginAt[base + i - 1]!]!;
      const right = ends.ids[endAt[base + i]!]!;
      if (left < 0 || right < 0) continue;
      splits[count++] = left;
      splits[count++] = right;
      splits[count++] = id;
    }
    base += piece.length;
  }
  return splits.slice(0, count);
}

/** Nodes by number, 0 the root; an open-addressed table finds a node by its parent and UTF-16 unit. */
interface Trie {
  readonly slots: Int32Array;
  readonly parents: Int32Array;
  readonly units: Uint16Array;
  /** The piece that a node spells, or -1. */
  readonly ids: Int32Array;
  size: number;
}

function trie(units: number): Trie {
  let slots = 16;
  while (slots < 2 * units) slots *= 2;
  return {
    slots: new Int32Array(slots),
    parents: new Int32Array(units + 1),
    units: new Uint16Array(units + 1),
    ids: new Int32Array(units + 1).fill(-1),
    size: 1,
  };
}

/** The child of a node for a unit, made where there is none. */
function child(trie: Trie, parent: number, unit: number): number {
  const { slots, parents, units } = trie;
  const mask = slots.length - 1;
  const hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
  let slot = (hash ^ (hash >>> 15)) & mask;
  for (;;) {
    const node = slots[slot]!;
    if (node === 0) break;
    if (parents[node] === parent && units[node] === unit) return node;
    slot = (slot + 1) & mask;
  }
  const made = trie.size++;
  slots[slot] = made;
  parents[made] = parent;
  units[made] = unit;
  return made;
}
