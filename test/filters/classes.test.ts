import assert from "node:assert/strict";
import { test } from "node:test";
import { CLASS, CLASS_COUNT, pieceTable } from "../../filters/classes.ts";
import { classOfPiece, piecesOf } from "../../filters/index.ts";

const EXAMPLES: Readonly<Record<keyof typeof CLASS, readonly string[]>> = {
  newline: ["\n", " \n"],
  functionWord: [" that", " That", "That", " is"],
  you: [" you", " Your"],
  me: [" I", " my"],
  us: [" we", " Our"],
  period: [".", "...", "…"],
  exclamation: ["!", "!!"],
  question: ["?"],
  colon: [":", "::"],
  quote: ['"', "’", " “"],
  bracket: ["(", " ){", "}"],
  comma: [","],
  dash: ["-", " —"],
  bullet: ["•", " |", "***", "##"],
  punctuation: ["/", "&", "%"],
  currency: ["$", " £", "€"],
  link: ["http", " www", ".com", "://"],
  digit: ["7", " 2"],
  word: [" house", " x", " red"],
  capitalWord: [" London", "Lon", "In", "A"],
  upperCase: [" SALE", "USD", " THE"],
  continuation: ["s", "the", "d"],
  otherLetter: [" мир", "é", "日"],
  space: ["  ", "\t"],
  other: ["", "\ufffd", "\u0001"],
  the: [" the", " The", "The"],
  article: [" a", " an", " A"],
  conjunction: [" and", " or", "And"],
  preposition: [" with", " Of"],
  third: [" they", "Her"],
  auxiliary: [" will", " can"],
  invitation: [" click", "Visit"],
  selling: [" price", " Free", "Shipping"],
  semicolon: [";", ";;"],
  spacedMark: [" .", " ,", " ?!", " ;"],
  ing: ["ing", " buying"],
  ed: [" called", "led"],
};

for (const [name, pieces] of Object.entries(EXAMPLES))
  test(`${pieces.map((piece) => JSON.stringify(piece)).join(", ")} count as ${name}`, () => {
    for (const piece of pieces) assert.equal(classOfPiece(piece), CLASS[name as keyof typeof CLASS], piece);
  });

test("classes are numbered without gaps", () => {
  assert.deepEqual(
    Object.values(CLASS).sort((a, b) => a - b),
    Array.from({ length: CLASS_COUNT }, (_, i) => i),
  );
});

test("the piece of an id is what it adds behind another, so the space before a word is seen", () => {
  const words = ["a", " the", "", "\n"];
  const decode = (ids: readonly number[]) =>
    ids
      .map((id) => words[id])
      .join("")
      .trimStart();
  assert.deepEqual(piecesOf(decode, 4, 0), words);
});

test("lengths are in UTF-16 units and stop at 255", () => {
  assert.deepEqual([...pieceTable([" the", "", "😀", "=".repeat(300)]).lengths], [4, 0, 2, 255]);
});
