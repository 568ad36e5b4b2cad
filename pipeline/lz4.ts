/**
 * LZ4: raw blocks, as parquet's LZ4_RAW, and frames, as compressed Arrow files have them. Check sums of frames are not looked at:
 * Arrow's writers leave them out. Every length is checked, so that damaged input ends in an error.
 */

const FRAME_MAGIC = 0x184d2204;

/** Decodes a block that must give exactly `size` bytes. Throws RangeError. */
export function unlz4Block(input: Uint8Array, size: number): Buffer {
  // A sequence grows by at most 255 bytes for each byte of input.
  if (size > 255 * input.length) throw new RangeError(`lz4: ${input.length} bytes cannot give ${size}`);
  const output = Buffer.allocUnsafe(size);
  const end = decodeBlock(input, output, 0);
  if (end !== size) throw new RangeError(`lz4: ${end} bytes of ${size}`);
  return output;
}

/** Decodes a frame that must give exactly `size` bytes. Throws RangeError. */
export function unlz4Frame(input: Uint8Array, size: number): Buffer {
  const source = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (source.readUInt32LE(0) !== FRAME_MAGIC) throw new RangeError("lz4: not a frame");
  if (size > 255 * input.length) throw new RangeError(`lz4: ${input.length} bytes cannot give ${size}`);
  const flags = source.readUInt8(4);
  if (flags >> 6 !== 1 || (flags & 1) !== 0) throw new RangeError(`lz4: a frame with flags ${flags}`);
  const checksums = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 8) !== 0 ? 8 : 0);
  const output = Buffer.allocUnsafe(size);
  let to = 0;
  for (;;) {
    const head = source.readUInt32LE(at);
    at += 4;
    if (head === 0) break;
    const stored = head >= 2 ** 31;
    const length = head % 2 ** 31;
    if (at + length > input.length) throw new RangeError(`lz4: a block of ${length} bytes runs over`);
    const block = input.subarray(at, at + length);
    if (stored) {
      if (to + length > size) throw new RangeError(`lz4: more than ${size} bytes`);
      output.set(block, to);
      to += length;
    } else to = decodeBlock(block, output, to);
    at += length + (checksums ? 4 : 0);
  }
  if (to !== size) throw new RangeError(`lz4: ${to} bytes of ${size}`);
  return output;
}

/** Decodes a block behind what was decoded before it, which it may copy from. Returns the position after it. */
function decodeBlock(input: Uint8Array, output: Uint8Array, start: number): number {
  const size = output.length;
  let at = 0;
  let to = start;
  const lengthAfter = (first: number): number => {
    let length = first;
    if (first < 15) return length;
    for (let byte = 255; byte === 255; ) {
      if (at >= input.length) throw new RangeError("lz4: the input ends inside a length");
      byte = input[at++]!;
      length += byte;
    }
    return length;
  };
  while (at < input.length) {
    const token = input[at++]!;
    const literal = lengthAfter(token >> 4);
    if (at + literal > input.length || to + literal > size)
      throw new RangeError(`lz4: a literal of ${literal} bytes runs over`);
    if (literal > 16) output.set(input.subarray(at, at + literal), to);
    else for (let i = 0; i < literal; i++) output[to + i] = input[at + i]!;
    at += literal;
    to += literal;
    if (at === input.length) return to;
    if (at + 2 > input.length) throw new RangeError("lz4: the input ends inside a copy");
    const offset = input[at]! | (input[at + 1]! << 8);
    at += 2;
    const length = lengthAfter(token & 15) + 4;
    if (offset === 0 || offset > to || to + length > size)
      throw new RangeError(`lz4: a copy of ${length} bytes from ${offset} before byte ${to} of ${size}`);
    for (let i = 0, from = to - offset; i < length; i++) output[to + i] = output[from + i]!;
    to += length;
  }
  return to;
}
