/**
 * What SentencePiece does to a text in front of BPE where a model asks for it: replaces by rules, removes extra white space, and keeps
 * user-defined pieces whole. Works on UTF-8 and writes a space for every U+2581, since BPE takes both for the same.
 */
import { longestMatch } from "./chars-map.ts";
import { longestOf } from "./special-tokens.ts";
import { ensureCapacity, type Tokenizer } from "./tokenizer.ts";
import { sequenceLength } from "./utf8.ts";
import { PIECE_TYPE, SPACE_MARK, type TextRules, type Vocabulary } from "./vocabulary.ts";

/** What changes nothing. */
const NO_RULES: TextRules = { charsMap: undefined, removeExtraSpaces: false };

const SPACE = 0x20;

/** Whether a vocabulary asks for more than a dummy prefix. */
export function changesTexts({ rules, types }: Vocabulary): boolean {
  return rules !== undefined || types.includes(PIECE_TYPE.user);
}

/** The user-defined pieces of a vocabulary and their ids. */
function userPieces({ pieces, types }: Vocabulary): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) if (types[id] === PIECE_TYPE.user) found.set(piece, id);
  return found;
}

/**
 * Encodes texts as a vocabulary with rules or user-defined pieces asks; `encodeInto` is that of the same vocabulary without a dummy prefix.
 * A lone surrogate is U+FFFD.
 */
export function withTextRules(
  vocabulary: Vocabulary,
  encodeInto: Tokenizer["encodeInto"],
): Tokenizer["encodeInto"] {
  const user = userPieces(vocabulary);
  const normalize = normalizerOf(vocabulary.rules ?? NO_RULES, [...user.keys()], vocabulary.dummyPrefix);
  if (user.size === 0) return (text, buffer, at) => encodeInto(normalize(text), buffer, at);
  const ids = new Map([...user].map(([piece, id]) => [piece.replaceAll(SPACE_MARK, " "), id]));
  const pattern = longestOf(ids.keys());
  return (text, buffer, at) => {
    let out = at;
    for (const [i, part] of normalize(text).split(pattern).entries())
      if (i % 2 === 0) out += encodeInto(part, buffer, out);
      else ensureCapacity(buffer, out + 1)[out++] = ids.get(part)!;
    return out - at;
  };
}

/** The normaliser of rules: text to text, linear. `kept` are user-defined pieces, which no rule changes. */
function normalizerOf(
  { charsMap, removeExtraSpaces }: TextRules,
  kept: readonly string[],
  dummyPrefix: boolean,
): (text: string) => string {
  const keptBytes: (readonly Buffer[] | undefined)[] = [];
  for (const piece of kept.map((text) => Buffer.from(text)).sort((a, b) => b.length - a.length))
    keptBytes[piece[0]!] = [...(keptBytes[piece[0]!] ?? []), piece];
  let scratch = Buffer.alloc(65_536);
  let written = 0;
  return (text) => {
    const bytes = Buffer.from(text);
    /** The bytes that stand for what starts at `at`, and how far it goes. */
    let source: Uint8Array = bytes;
    let from = 0;
    let to = 0;
    const step = (at: number): number => {
      source = bytes;
      from = at;
      const piece = keptBytes[bytes[at]!]?.find((piece) =>
        piece.equals(bytes.subarray(at, at + piece.length)),
      );
      const match =
        piece === undefined && charsMap !== undefined
          ? longestMatch(charsMap, bytes, at, bytes.length)
          : undefined;
      if (match === undefined) to = at + (piece?.length ?? sequenceLength(bytes[at]!));
      else ({ from, to } = match);
      if (match !== undefined) source = charsMap!.replacements;
      return match === undefined ? to : at + match.length;
    };
    let at = 0;
    if (removeExtraSpaces)
      while (at < bytes.length) {
        const next = step(at);
        if (to - from !== 1 || source[from] !== SPACE) break;
        at = next;
      }
    if (at === bytes.length) return "";
    written = 0;
    if (dummyPrefix) scratch[written++] = SPACE;
    let afterSpace = removeExtraSpaces;
    while (at < bytes.length) {
      at = step(at);
      if (afterSpace) while (from < to && source[from] === SPACE) from++;
      if (from === to) continue;
      if (written + to - from > scratch.length)
        scratch = Buffer.concat([scratch], 2 * scratch.length + to - from);
      for (let i = from; i < to; i++) scratch[written++] = source[i]!;
      afterSpace = removeExtraSpaces && source[to - 1] === SPACE;
    }
    const spaced = scratch.toString("utf8", 0, written).replaceAll(SPACE_MARK, " ");
    let end = spaced.length;
    if (removeExtraSpaces) while (spaced.charCodeAt(end - 1) === SPACE) end--;
    return spaced.slice(0, end);
  };
}

/** Joins runs of the unknown id into one, as SentencePiece does without byte fallback. */
export function withJoinedUnknowns(
  unknown: number,
  encodeInto: Tokenizer["encodeInto"],
): Tokenizer["encodeInto"] {
  return (text, buffer, at) => {
    const end = at + encodeInto(text, buffer, at);
    const { ids } = buffer;
    let out = at;
    for (let i = at; i < end; i++)
      if (ids[i] !== unknown || out === at || ids[out - 1] !== unknown) ids[out++] = ids[i]!;
    return out - at;
  };
}
