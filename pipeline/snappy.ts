/**
 * Snappy (its raw block format), as parquet pages are stored. Every length is checked against the bytes at hand, so that damaged input
 * ends in an error: hyparquet's decoder runs for ever on a literal whose 32-bit length has its top bit set.
 */

/** Decodes a block that must give exactly `size` bytes. Throws RangeError. */
export function unsnappy(input: Uint8Array, size: number): Buffer {
  const end = input.length;
  let at = 0;
  let stated = 0;
  for (let factor = 1; ; factor *= 128) {
    if (at >= end || at >= 5) throw new RangeError("snappy: the length is no number");
    const byte = input[at++]!;
    stated += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
  }
  // A copy of three bytes gives at most 64, so that no length is believed that the input cannot fill.
  if (stated !== size || size > 64 * end)
    throw new RangeError(`snappy: ${stated} bytes stated, ${size} expected`);
  const output = Buffer.allocUnsafe(size);
  const source = new DataView(input.buffer, input.byteOffset, end);
  const view = new DataView(output.buffer, output.byteOffset, size);
  let to = 0;
  while (at < end) {
    const tag = input[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >> 2) + 1;
      if (length > 60) {
        const extra = length - 60;
        if (at + extra > end) throw new RangeError("snappy: the input ends inside a length");
        length = 1;
        for (let i = 0; i < extra; i++) length += input[at++]! * 256 ** i;
      }
      if (at + length > end || to + length > size)
        throw new RangeError(`snappy: a literal of ${length} bytes at ${at} runs over`);
      if (length > 64) output.set(input.subarray(at, at + length), to);
      // Four bytes at a time may write past the end of this step, where later bytes go, but never past that of the output.
      else if (at + length + 3 <= end && to + length + 3 <= size)
        for (let i = 0; i < length; i += 4) view.setInt32(to + i, source.getInt32(at + i, true), true);
      else for (let i = 0; i < length; i++) output[to + i] = input[at + i]!;
      at += length;
      to += length;
      continue;
    }
    const extra = kind === 3 ? 4 : kind;
    if (at + extra > end) throw new RangeError("snappy: the input ends inside a copy");
    let length = (tag >> 2) + 1;
    let offset: number;
    if (kind === 1) {
      length = ((tag >> 2) & 7) + 4;
      offset = ((tag >> 5) << 8) | input[at]!;
    } else {
      offset = input[at]! | (input[at + 1]! << 8);
      if (kind === 3) offset += input[at + 2]! * 2 ** 16 + input[at + 3]! * 2 ** 24;
    }
    at += extra;
    if (offset === 0 || offset > to || to + length > size)
      throw new RangeError(`snappy: a copy of ${length} bytes from ${offset} before byte ${to} of ${size}`);
    const from = to - offset;
    if (offset >= 4 && to + length + 3 <= size)
      for (let i = 0; i < length; i += 4) view.setInt32(to + i, view.getInt32(from + i, true), true);
    else for (let i = 0; i < length; i++) output[to + i] = output[from + i]!;
    to += length;
  }
  if (to !== size) throw new RangeError(`snappy: ${to} bytes of ${size}`);
  return output;
}
