import assert from "node:assert/strict";
import { test } from "node:test";
import { parseScoreField, passingScore, scoreFieldColumn, scoreOfField } from "../../filters/index.ts";

test("a score field is named with its direction, and what need not be said has the plain meaning", () => {
  assert.deepEqual(parseScoreField("edu=meta.edu:low"), {
    name: "edu",
    path: "meta.edu",
    dropWhen: "low",
    scale: 1,
    missing: "quarantine",
    cut: null,
  });
  assert.deepEqual(parseScoreField("perplexity=ccnet:v2.perplexity:high,scale=1e3,cut=340.5,missing=keep"), {
    name: "perplexity",
    path: "ccnet:v2.perplexity",
    dropWhen: "high",
    scale: 1000,
    missing: "keep",
    cut: 340.5,
  });
});

test("what is wrong with a score field is said with the way out", () => {
  for (const [text, message] of [
    [
      "edu=meta.edu",
      /^score field "edu=meta.edu" does not say whether high or low values are dropped; write NAME=PATH:high or NAME=PATH:low, for example edu=meta.edu:low/,
    ],
    ["edu=meta.edu:worse", /has the direction "worse"/],
    ["edu", /has another form/],
    ["Edu=a:low", /has another form/],
    [
      "edu=a:low,scale=0",
      /has the setting "scale=0"; there are scale=NUMBER above 0, cut=NUMBER and missing=keep/,
    ],
    ["edu=a:low,scale=", /has the setting "scale="/],
    ["edu=a:low,missing=drop", /has the setting "missing=drop"/],
    ["edu=a:low,cut=300", /has the cut 300, which is no score with scale 1/],
  ] as const)
    assert.throws(() => parseScoreField(text), { code: "ERR_ARGUMENT", message }, text);
});

test("a value over its scale is the score, to a 65,536th; what is no score says why", () => {
  const field = parseScoreField("edu=q.edu:low,scale=2");
  assert.equal(scoreOfField(field, 3), 1.5 * 65_536);
  assert.equal(scoreOfField(field, -0.00001), 0);
  assert.equal(scoreOfField(field, 511.9999), Math.round(255.99995 * 65_536));
  const why = (value: Parameters<typeof scoreOfField>[1]) => {
    const none = scoreOfField(field, value);
    return typeof none === "number" ? none : `${none.code}: ${none.detail}`;
  };
  assert.equal(
    why(512),
    "score-out-of-range: `q.edu` is 512, and with scale 2 a score lies between -512 and 512; give a larger scale",
  );
  assert.match(String(why(Number.NEGATIVE_INFINITY)), /^score-out-of-range: `q.edu` is -Infinity/);
  assert.equal(why(undefined), "no-score: no `q.edu` in the record; missing=keep lets such a record pass");
  assert.equal(why(null), "no-score: `q.edu` is null; missing=keep lets such a record pass");
  assert.equal(
    why({ holds: "a string" }),
    "score-not-number: `q.edu` holds a string, not a number; missing=keep lets such a record pass",
  );
  assert.match(String(why(Number.NaN)), /^score-not-number: `q.edu` holds NaN/);
});

test("with missing=keep what is no number passes, and a number out of range does not", () => {
  for (const direction of ["high", "low"] as const) {
    const field = parseScoreField(`edu=edu:${direction},missing=keep`);
    for (const value of [undefined, null, Number.NaN, { holds: "a list" }])
      assert.equal(scoreOfField(field, value), passingScore(direction));
    assert.equal(typeof scoreOfField(field, 256), "object");
  }
  assert.deepEqual([passingScore("high"), passingScore("low")], [1 - 2 ** 24, 2 ** 24 - 1]);
});

test("the hash of a score field changes with each of its parts", () => {
  const texts = [
    "a=x:low",
    "b=x:low",
    "a=y:low",
    "a=x:high",
    "a=x:low,scale=2",
    "a=x:low,missing=keep",
    "a=x:low,cut=1",
  ];
  assert.equal(
    new Set(texts.map((text) => scoreFieldColumn(parseScoreField(text)).sha256)).size,
    texts.length,
  );
});
