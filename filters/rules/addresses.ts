/**
 * Addresses that are one word: of a page, a file on a host, a mailbox.
 */
import type { Bytes } from "./bytes.ts";
import { DIGIT, DOT, KIND, LETTER, SPACE } from "./kernel/sign-kinds.ts";

/** Protocol, user, host with a top-level domain in lower case, port and path, of which only the host must be there. */
const ADDRESS =
  /^(?:[\w+.-]{2,}:\/\/)?(?:[^\s@]+@)?(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+\p{Ll}{2,63}(?::\d{2,5})?(?:[/?#]\S*)?$/u;
const LONGEST = 2048;
const CLOSING = ".,;:!?)]}>\"'’”*_&#»";

/** The end of the address that begins at `start`; `start` where none does. */
export function addressEnd({ bytes, kinds }: Bytes, start: number): number {
  let end = start;
  let dotted = false;
  for (; (kinds[end]! & KIND) !== SPACE && end - start < LONGEST; end++)
    dotted ||= (kinds[end]! & KIND) === DOT && isWordKind(kinds[end + 1]!);
  return dotted ? matchAddress(bytes, start, end) : start;
}

/** The end of the address that begins the stretch [start, end) and reaches its end, but for closing signs; `start` where none does. */
export function matchAddress(bytes: Buffer, start: number, end: number): number {
  const text = bytes.toString("utf8", start, end);
  let length = text.length;
  while (length > 0 && CLOSING.includes(text[length - 1]!)) length--;
  const address = text.slice(0, length);
  return ADDRESS.test(address) ? start + Buffer.byteLength(address) : start;
}

function isWordKind(kind: number): boolean {
  return (kind & KIND) === LETTER || (kind & KIND) === DIGIT;
}
