/**
 * Large memory that is used again: what one owner gives back the next one takes. V8 collects memory outside of its heap late, so several
 * owners, one after the other, would have it several times over. One list a thread.
 */

/** More are not kept. */
const MOST_KEPT = 2;
const kept: ArrayBuffer[] = [];

/** At least this many bytes, with whatever lies in them: the smallest memory that fits, else new. */
export function takeScratch(bytes: number): ArrayBuffer {
  kept.sort((a, b) => a.byteLength - b.byteLength);
  const fits = kept.findIndex(({ byteLength }) => byteLength >= bytes);
  if (fits >= 0) return kept.splice(fits, 1)[0]!;
  // What is too small gives way to what is asked for.
  kept.pop();
  return new ArrayBuffer(bytes);
}

/** Gives memory back; nobody may use it any more. */
export function giveScratch(memory: ArrayBuffer): void {
  if (kept.length < MOST_KEPT) kept.push(memory);
}
