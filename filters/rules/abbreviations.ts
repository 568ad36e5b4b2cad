/**
 * Words behind which a full stop ends no sentence, and belongs to the word.
 */
import { ALPHANUMERIC, KIND, LETTER } from "./kinds.ts";
import type { Units } from "./units.ts";

const ABBREVIATION =
  /^(?:\p{L}|[A-Z](?:\.[A-Z])+|a\.m|p\.m|e\.g|i\.e|Ph\.D|Mrs?|Ms|Messrs|Dr|Prof|Rev|Gen|Gov|Sen|Rep|Adm|St|Mt|Inc|[Cc]o|Corp|Ltd|Bros|Jr|vs|Jan|Feb|Apr|Aug|Sept?|Oct|Nov|Dec)$/u;
/** Of those without full stops inside. */
const LONGEST = 6;
/** Of those that begin with a small letter. */
const LONGEST_SMALL = 3;
const FULL_STOP = 46;

/** Whether the word [start, end), without its stop, is one. */
export function isAbbreviation(
  { units, kinds }: Pick<Units, "units" | "kinds">,
  start: number,
  end: number,
): boolean {
  const length = end - start;
  if (length < 2) return length === 1 && (kinds[start]! & (KIND | ALPHANUMERIC)) === (LETTER | ALPHANUMERIC);
  const first = units[start]!;
  const capital = first >= 65 && first <= 90;
  if (length > (capital ? LONGEST : LONGEST_SMALL) && !(capital && units[start + 1] === FULL_STOP))
    return false;
  return ABBREVIATION.test(String.fromCharCode(...units.subarray(start, end)));
}
