/**
 * The class of a vocabulary's piece: newline, function word, capitalised word, digit, a kind of punctuation...
 * Made from the pieces' text once, when a model is trained, and kept in the model, so a change here never changes an old one's scores.
 */

/** Classes; a piece has exactly one. Their order lets `measure` test ranges: words that end a run first, then line endings. */
export const CLASS = {
  newline: 0,
  functionWord: 1,
  you: 2,
  me: 3,
  us: 4,
  period: 5,
  exclamation: 6,
  question: 7,
  colon: 8,
  quote: 9,
  bracket: 10,
  comma: 11,
  dash: 12,
  bullet: 13,
  punctuation: 14,
  currency: 15,
  link: 16,
  digit: 17,
  word: 18,
  capitalWord: 19,
  upperCase: 20,
  continuation: 21,
  otherLetter: 22,
  space: 23,
  other: 24,
} as const;

/** How many classes there are. */
export const CLASS_COUNT = 25;

const FUNCTION_WORDS = new Set(
  `a about after all also although an and any are as at be because been before being between both but by can could did do
  does during each even few for from had has have he her him his how however if in into is it its just like may might more
  most much must no nor not of off on once only or other out over own rather same she should since so some such than that
  the their them then there these they this those though through to too under until up upon very was were what when where
  whether which while who whom whose why will with within without would`.split(/\s+/),
);
const PRONOUNS = new Map<string, number>([
  ...["you", "your", "yours", "yourself"].map((word) => [word, CLASS.you] as const),
  ...["i", "me", "my", "mine", "myself"].map((word) => [word, CLASS.me] as const),
  ...["we", "us", "our", "ours", "ourselves"].map((word) => [word, CLASS.us] as const),
]);
const LINKS = /^(https?|www|ftp|html?|php|href|:\/\/|\.(com|org|net|html?|php)|com)$/;
const MARKS: readonly (readonly [RegExp, number])[] = [
  [/^[.…]/u, CLASS.period],
  [/^[!¡]/u, CLASS.exclamation],
  [/^[?¿]/u, CLASS.question],
  [/^[:;]/u, CLASS.colon],
  [/^["'`“”‘’«]/u, CLASS.quote],
  [/^[()[\]{}<>]/u, CLASS.bracket],
  [/^,/u, CLASS.comma],
  [/^[-–—]/u, CLASS.dash],
  [/^[|*•·»►▪=_~#+^\\]/u, CLASS.bullet],
  [/^[$£€¥₹]/u, CLASS.currency],
  [/^[\p{P}\p{S}]/u, CLASS.punctuation],
];

/** The class of a piece, from its text with the space before it: `" the"`, `"ing"`, `"\n"`. Empty text (control ids) is `other`. */
export function classOfPiece(piece: string): number {
  if (piece.includes("\n")) return CLASS.newline;
  const body = piece.trim();
  if (body === "") return piece === "" ? CLASS.other : CLASS.space;
  if (body.includes("\ufffd")) return CLASS.other;
  if (LINKS.test(body)) return CLASS.link;
  if (/^\d+$/.test(body)) return CLASS.digit;
  if (/^[A-Za-z]+$/.test(body)) return classOfWord(body, /^\s/.test(piece));
  for (const [pattern, kind] of MARKS) if (pattern.test(body)) return kind;
  return /\p{L}/u.test(body) ? CLASS.otherLetter : CLASS.other;
}

function classOfWord(body: string, starts: boolean): number {
  const lower = body.toLowerCase();
  if (starts && body !== body.toUpperCase()) {
    const pronoun = PRONOUNS.get(lower);
    if (pronoun !== undefined) return pronoun;
    if (FUNCTION_WORDS.has(lower)) return CLASS.functionWord;
  }
  if (starts && body === "I") return CLASS.me;
  if (starts && lower === "a") return CLASS.functionWord;
  if (body.length > 1 && body === body.toUpperCase()) return CLASS.upperCase;
  if (/^[A-Z]/.test(body)) return CLASS.capitalWord;
  return starts ? CLASS.word : CLASS.continuation;
}

/** What is known of a vocabulary's pieces, one entry an id. */
export interface PieceTable {
  /** The class. */
  readonly classes: Uint8Array;
  /** The length of the text in UTF-16 units, at most 255. */
  readonly lengths: Uint8Array;
}

/** The table of a vocabulary's pieces. */
export function pieceTable(pieces: readonly string[]): PieceTable {
  return {
    classes: Uint8Array.from(pieces, classOfPiece),
    lengths: Uint8Array.from(pieces, (piece) => Math.min(255, piece.length)),
  };
}

/**
 * The text of each id of a vocabulary as it stands inside a text: what it adds behind the id `anchor`, which must decode to
 * text of its own (that of a letter, say). Control ids add nothing; a byte that is no character by itself is U+FFFD.
 */
export function piecesOf(
  decode: (ids: readonly number[]) => string,
  vocabularySize: number,
  anchor: number,
): readonly string[] {
  const before = decode([anchor]).length;
  return Array.from({ length: vocabularySize }, (_, id) => decode([anchor, id]).slice(before));
}
