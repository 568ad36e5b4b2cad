/** What is inside a row beside its tokens: where documents and padding begin, and how far a token is from the start of its own. */

/**
 * Where what may attend to each other begins and ends in a row: 0, the starts of documents, that of padding, and the row's width; ascending, each once.
 * Differences are the lengths: the `cu_seqlens` of attention over sequences of varying length.
 */
export function boundariesOf(starts: readonly number[], filled: number, width: number): readonly number[] {
  return [...new Set([0, ...starts, filled, width])].sort((a, b) => a - b);
}

/** Position ids of a row: each token's distance from the boundary before it. */
export function positionsOf(boundaries: readonly number[]): Int32Array {
  const positions = new Int32Array(boundaries.at(-1)!);
  for (let i = 0; i + 1 < boundaries.length; i++)
    for (let at = boundaries[i]!; at < boundaries[i + 1]!; at++) positions[at] = at - boundaries[i]!;
  return positions;
}
