/** Room for more in the memory that is reused from text to text. */

/** The same array with room for twice as much. */
export function grown<T extends Int32Array | Uint8Array>(from: T): T {
  const to = new (from.constructor as new (length: number) => T)(from.length * 2);
  to.set(from);
  return to;
}
