/**
 * Words behind which a full stop ends no sentence, and belongs to the word.
 */
import type { Bytes } from "./bytes.ts";
import { ALPHANUMERIC, KIND, LETTER } from "./kernel/sign-kinds.ts";
import { sizeOf } from "./utf8.ts";

/** Up to seven bytes each. Beside them single letters, and capitals with full stops between them. */
export const ABBREVIATIONS =
  "a.m p.m e.g i.e Ph.D Mr Mrs Ms Messrs Dr Prof Rev Gen Gov Sen Rep Adm St Mt Inc Co co Corp Ltd Bros Jr vs Jan Feb Apr Aug Sep Sept Oct Nov Dec".split(
    " ",
  );
const LISTED = new Set(ABBREVIATIONS);
const INITIALS = /^[A-Z](?:\.[A-Z])+$/;
/** Of those without full stops inside. */
const LONGEST = 6;
/** Of those that begin with a small letter. */
const LONGEST_SMALL = 3;
const FULL_STOP = 46;

/** Whether the word [start, end), without its stop, is one. */
export function isAbbreviation(
  { bytes, kinds }: Pick<Bytes, "bytes" | "kinds">,
  start: number,
  end: number,
): boolean {
  const length = end - start;
  const first = bytes[start]!;
  if (length === 0) return false;
  if (length === sizeOf(first)) return (kinds[start]! & (KIND | ALPHANUMERIC)) === (LETTER | ALPHANUMERIC);
  const capital = first >= 65 && first <= 90;
  if (length > (capital ? LONGEST : LONGEST_SMALL) && !(capital && bytes[start + 1] === FULL_STOP))
    return false;
  const word = bytes.toString("latin1", start, end);
  return LISTED.has(word) || INITIALS.test(word);
}
