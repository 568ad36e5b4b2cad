/**
 * Numbers as parquet and Arrow lay them out, little-endian, as doubles: 64-bit integers beyond 2^53 are rounded.
 */

/** A type of number. */
export type NumberType =
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "half"
  | "float"
  | "double";

const BYTES: Readonly<Record<NumberType, 1 | 2 | 4 | 8>> = {
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  half: 2,
  float: 4,
  double: 8,
};

/** Bytes of a number. */
export function numberBytes(type: NumberType): 1 | 2 | 4 | 8 {
  return BYTES[type];
}

/** The integer type of so many bits; null where there is none. */
export function integerType(bits: number, isSigned: boolean): NumberType | null {
  const type = `${isSigned ? "" : "u"}int${bits}`;
  return type in BYTES ? (type as NumberType) : null;
}

/** The numbers that `bytes` hold one after the other. */
export function numbersIn(bytes: Buffer, type: NumberType): number[] {
  const width = BYTES[type];
  const read = reader(bytes, type);
  return Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => read(i * width));
}

function reader(bytes: Buffer, type: NumberType): (at: number) => number {
  switch (type) {
    case "int8":
      return (at) => bytes.readInt8(at);
    case "int16":
      return (at) => bytes.readInt16LE(at);
    case "int32":
      return (at) => bytes.readInt32LE(at);
    case "int64":
      return (at) => Number(bytes.readBigInt64LE(at));
    case "uint8":
      return (at) => bytes.readUInt8(at);
    case "uint16":
      return (at) => bytes.readUInt16LE(at);
    case "uint32":
      return (at) => bytes.readUInt32LE(at);
    case "uint64":
      return (at) => Number(bytes.readBigUInt64LE(at));
    case "half":
      return (at) => halfOf(bytes.readUInt16LE(at));
    case "float":
      return (at) => bytes.readFloatLE(at);
    case "double":
      return (at) => bytes.readDoubleLE(at);
    default:
      return type satisfies never;
  }
}

/** IEEE 754 binary16. */
function halfOf(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
