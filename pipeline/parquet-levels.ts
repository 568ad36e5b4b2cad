/**
 * Parquet's hybrid of runs and bit-packed groups, which definition levels and dictionary indices are stored in.
 * Strict: a run that goes past the values asked for, or a stream that ends before, is an error.
 */

/** Decodes `count` values of `width` bits, 0 to 32. Throws RangeError. */
export function decodeHybrid(bytes: Uint8Array, width: number, count: number): Uint32Array {
  if (width > 32) throw new RangeError(`values of ${width} bits`);
  const values = new Uint32Array(count);
  if (width === 0) return values;
  const runBytes = Math.ceil(width / 8);
  const mask = 2 ** width - 1;
  let at = 0;
  let to = 0;
  while (to < count) {
    let header = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= bytes.length) throw new RangeError(`the levels or indices end after ${to} of ${count}`);
      const byte = bytes[at++]!;
      header += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    const run = Math.floor(header / 2);
    if (header % 2 === 0) {
      if (run === 0 || to + run > count || at + runBytes > bytes.length)
        throw new RangeError(`a run of ${run} values after ${to} of ${count}`);
      let value = 0;
      for (let i = runBytes - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
      if (value > mask) throw new RangeError(`a value of ${value} in ${width} bits`);
      at += runBytes;
      values.fill(value, to, to + run);
      to += run;
    } else {
      // The last group is filled up to eight values; writers may leave out the bytes that only fill.
      const taken = Math.min(8 * run, count - to);
      if (run === 0 || at + Math.ceil((taken * width) / 8) > bytes.length)
        throw new RangeError(`${8 * run} packed values after ${to} of ${count}`);
      if (8 * (run - 1) >= count - to)
        throw new RangeError(`${8 * run} packed values after ${to} of ${count}`);
      unpack(bytes.subarray(at), width, mask, values.subarray(to, to + taken));
      at += run * width;
      to += taken;
    }
  }
  return values;
}

function unpack(bytes: Uint8Array, width: number, mask: number, values: Uint32Array): void {
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    while (bits < width) {
      held += bytes[at++]! * 2 ** bits;
      bits += 8;
    }
    const rest = Math.floor(held / 2 ** width);
    values[i] = held - rest * (mask + 1);
    held = rest;
    bits -= width;
  }
}
