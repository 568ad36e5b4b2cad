/**
 * Where bytes stop being UTF-8. Slow and exact; called only for lines that a decoder has refused.
 */

/** Offset of the first byte of the first sequence that is not UTF-8 (Unicode 17, table 3-7), or -1. */
export function invalidUtf8At(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!;
    const length =
      lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length === 0 || at + length > bytes.length) return at;
    for (let i = 1; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return at;
    const second = length > 1 ? bytes[at + 1]! : 0;
    // Overlong forms, surrogates, and what lies above U+10FFFF.
    if (lead === 0xe0 && second < 0xa0) return at;
    if (lead === 0xed && second > 0x9f) return at;
    if (lead === 0xf0 && second < 0x90) return at;
    if (lead === 0xf4 && second > 0x8f) return at;
    at += length;
  }
  return -1;
}
