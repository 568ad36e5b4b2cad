/**
 * TensorBoard's event files, written by hand: a TFRecord a scalar event (length, its checksum, a protobuf Event, its checksum), which is all that
 * TensorBoard needs and two hundred bytes a line instead of a dependency. Formats: tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto.
 */

/** The first record of a file: a version that readers insist on. `seconds` since 1970. */
export function fileVersionRecord(seconds: number): Uint8Array {
  return record(Buffer.concat([double(1, seconds), text(3, "brain.Event:2")]));
}

/** Scalars at a step, by tag, as one record. Steps are whole numbers below 2^53. */
export function scalarsRecord(
  seconds: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, Buffer.concat([text(1, tag), float(2, value)])),
  );
  return record(
    Buffer.concat([double(1, seconds), Buffer.from([0x10]), varint(step), bytes(5, Buffer.concat(values))]),
  );
}

/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as TFRecord masks it: rotated right by 15 bits, plus 0xA282EAD8. */
export function maskedCrc(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255]!;
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

function record(data: Buffer): Uint8Array {
  const framed = Buffer.alloc(16 + data.length);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc(framed.subarray(0, 8)), 8);
  data.copy(framed, 12);
  framed.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return framed;
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return Buffer.from([...out, rest]);
}

function bytes(field: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(data.length), data]);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value));
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(9, (field << 3) | 1);
  out.writeDoubleLE(value, 1);
  return out;
}

function float(field: number, value: number): Buffer {
  const out = Buffer.alloc(5, (field << 3) | 5);
  out.writeFloatLE(value, 1);
  return out;
}
