import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { columnsOf, type Fragment, wrap } from "../../scripts/wrap.ts";

const plain = (text: string): Fragment => ({ text, before: "", after: "" });
const marked = (text: string): Fragment => ({ text, before: "<", after: ">" });

test("lines end between words and where the text's do; blanks become one space, empty lines one", () => {
  assert.deepEqual(wrap([plain("one  two three\n\n\n\nfour\nfive")], 9), [
    "one two",
    "three",
    "",
    "four",
    "five",
  ]);
  assert.deepEqual(wrap([plain("\n\n  a\n")], 9), ["a"]);
  assert.deepEqual(wrap([], 9), []);
});

test("marks stand around each word, a part of a word stays with the rest of it, and blanks between fragments are kept", () => {
  assert.deepEqual(wrap([plain("see "), marked("big sale"), plain("s now")], 12), [
    "see <big>",
    "<sale>s now",
  ]);
});

test("a word that is wider than a line is cut, and a wide character takes two columns, a combining one none", () => {
  assert.deepEqual(wrap([plain("abcdefgh ij")], 5), ["abcde", "fgh", "ij"]);
  assert.deepEqual(wrap([marked("abcdef")], 5), ["<abc>", "<def>"]);
  assert.equal(columnsOf("\u6c34\u8eca"), 4);
  assert.equal(columnsOf("e\u0301"), 1);
  assert.equal(columnsOf("\u001b[1;31mab\u001b[0m"), 2);
  assert.deepEqual(wrap([plain("\u6c34\u8eca\u6c34\u8eca")], 5), ["\u6c34\u8eca", "\u6c34\u8eca"]);
});

test("no line is wider than asked, and nothing but white space is lost, for any text in any fragments", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "\u6c34", "\u0301", "\t") });
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.boolean())), fc.integer({ min: 4, max: 20 }), (parts, width) => {
      const lines = wrap(
        parts.map(([text, mark]) => (mark ? marked(text) : plain(text))),
        width,
      );
      for (const line of lines) assert.ok(columnsOf(line) <= width, line);
      const bare = (text: string) => text.replaceAll(/[\s<>]/g, "");
      assert.equal(bare(lines.join("")), bare(parts.map(([text]) => text).join("")));
    }),
  );
});
