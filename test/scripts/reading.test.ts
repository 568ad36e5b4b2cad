import assert from "node:assert/strict";
import { test } from "node:test";
import { type Inspected, visibleText } from "../../pipeline/index.ts";
import { legend, type Reading, readingOf } from "../../scripts/reading.ts";

const PLAIN: Reading = { filter: "ads", dropWhen: "high", width: 60, colour: false };

const DOCUMENT: Inspected = {
  split: "dropped",
  droppedBy: "ads",
  domain: "c4",
  source: "a.jsonl",
  line: 7,
  tokens: 1234,
  score: 0.75,
  threshold: 0.5,
  text: "Buy the best mill wheel now and more",
  runs: [
    { text: "Buy", length: 3, weight: 0.5 },
    { text: " the best ", length: 10, weight: 0.1 },
    { text: "mill", length: 4, weight: -0.25 },
    { text: " wheel now", length: 10, weight: 0 },
  ],
  explanation: {
    score: 0.75,
    parts: [
      { kind: "token", id: 3, times: 1, weight: 0.5, text: " Buy" },
      { kind: "bias", weight: 0.375 },
      { kind: "token", id: 4, times: 2, weight: -0.25, text: " mill" },
      { kind: "measure", name: "charactersPerLine", value: 1500, weight: 0.125 },
    ],
  },
};

test("a document says verdict, score and cut, where it is, what is left out, and what weighed most, with signs where there is no colour", () => {
  assert.equal(
    readingOf(DOCUMENT, PLAIN),
    [
      "\u2500\u2500 dropped \u00b7 ads 0.7500 \u2265 cut 0.5000 \u00b7 c4 \u00b7 a.jsonl:7 \u00b7",
      "1,234 tokens",
      "   \u00abBuy\u00bb the best \u2039mill\u203a wheel now \u2026 9 characters more",
      "",
      '   +0.50 "Buy" \u00b7 +0.38 at the start \u00b7 \u22120.25 "mill" \u00d72 \u00b7',
      "   +0.13 characters per line (1,500)",
      "",
      "",
    ].join("\n"),
  );
  assert.match(legend(PLAIN), /\u00abtowards\u00bb being dropped, \u2039against\u203a it/);
});

test("what pulls towards being dropped is what lowers the score where low scores are dropped", () => {
  const low = readingOf(DOCUMENT, { ...PLAIN, dropWhen: "low" });
  assert.match(low, /\u2039Buy\u203a the best \u00abmill\u00bb/);
  const coloured = readingOf(DOCUMENT, { ...PLAIN, colour: true });
  assert.match(coloured.replaceAll("\u001b", "X"), /X\[1;31mBuyX\[0m the best X\[34mmillX\[0m/);
});

test("another filter's drop, a tag and a held-out document are named, and a score of part of a document is told", () => {
  const of = (more: Partial<Inspected>) => readingOf({ ...DOCUMENT, ...more }, { ...PLAIN, width: 200 });
  assert.match(
    of({ droppedBy: "fluency", score: 0.25 }),
    /^\u2500\u2500 dropped by fluency \u00b7 ads 0\.2500 < cut 0\.5000/,
  );
  assert.match(of({ split: "train" }), /^\u2500\u2500 kept, tagged ads/);
  assert.match(of({ split: "validation", droppedBy: null }), /^\u2500\u2500 held out \u00b7/);
  assert.match(of({ threshold: null }), /ads 0\.7500 \u00b7 c4/);
  assert.match(of({ score: 1 }), /whose score is 0\.7500: it does not hold all that was scored/);
  assert.doesNotMatch(of({ explanation: null }), /at the start/);
  // A document that breaks no rule.
  assert.equal(of({ score: 0, explanation: { score: 0, parts: [] } }), of({ score: 0, explanation: null }));
});

test("nothing in a text or a path can steer a terminal or turn the direction of what follows", () => {
  const shown = readingOf(
    {
      ...DOCUMENT,
      source: "a\u001b[2Jb\u202e.jsonl",
      runs: [
        {
          text: visibleText("x\u001b]0;title\u0007\u009b31m\u202ey\r\n\tz\u200b\ufeff"),
          length: 20,
          weight: 0,
        },
      ],
      explanation: {
        score: 0.75,
        parts: [{ kind: "token", id: 3, times: 1, weight: 0.75, text: visibleText("\u001b\u2066") }],
      },
    },
    { ...PLAIN, width: 200 },
  );
  assert.doesNotMatch(shown, /(?!\n)[\p{Cc}\p{Cf}]/u);
  assert.match(shown, /x\u241b\]0;title\u2407\u27e8U\+009B\u27e931m\u27e8U\+202E\u27e9y\u240d\n/);
});
