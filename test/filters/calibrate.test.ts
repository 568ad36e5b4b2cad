import assert from "node:assert/strict";
import { test } from "node:test";
import { domainName } from "../../core/domain.ts";
import {
  bothReadings,
  type CalibrationSample,
  calibrateCascade,
  cascadeOf,
  cascadeReadings,
  type Filter,
  judge,
  parseCalibration,
  parseTargets,
  unreached,
} from "../../filters/index.ts";

const C4 = domainName("c4");
const CC = domainName("commoncrawl");
const BOOK = domainName("book");

function filter(name: string, dropWhen: "high" | "low"): Filter {
  return { name, sha256: `sha of ${name}`, dropWhen, tokenizer: null, score: () => 0 };
}
const FILTERS = [filter("ads", "high"), filter("fluency", "low")];

/** Ten documents of c4 with ads scores 0 to 9 and fluency scores that fall as they rise, two of commoncrawl, one of book. */
const SAMPLE: CalibrationSample = {
  domains: [C4, CC, BOOK],
  domain: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2],
  tokens: [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 50, 50, 1000],
  scores: {
    ads: Int32Array.of(0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 150, 950, 999),
    fluency: Int32Array.of(90, 80, 70, 60, 50, 40, 30, 20, 10, 0, 55, -5, -99),
  },
  fingerprint: "f".repeat(64),
};

function calibrate(targets: string, more: object = {}) {
  return calibrateCascade({
    targets: parseTargets(targets),
    filters: FILTERS,
    tokenizer: "t",
    samples: SAMPLE,
    ...more,
  });
}

test("domains with enough documents have thresholds of their own, the others that of the pool, and the artefact says which", () => {
  const [ads] = calibrate("ads=0.5:documents", { minimumDocuments: 10 }).filters;
  assert.ok(ads);
  assert.deepEqual(
    ads.domains.map(({ domain, threshold, chosenOn, reached }) => [
      domain,
      threshold,
      chosenOn,
      reached.documents,
    ]),
    [
      [CC, 450, "pool", 2],
      [C4, 450, "domain", 10],
    ],
  );
  assert.deepEqual(
    ads.choices.map(({ on, documents, tokens, rate }) => [on, documents, tokens, rate]),
    [
      ["pool", 12, 200, 0.5],
      ["c4", 10, 100, 0.5],
    ],
  );
});

test("below the minimum every domain takes the pool's threshold", () => {
  const [ads] = calibrate("ads=0.25:documents").filters;
  assert.deepEqual(
    ads?.choices.map(({ on }) => on),
    ["pool"],
  );
  assert.equal(ads?.predicted.documents.rate, 0.25);
});

test("the base of a later filter is what the earlier ones leave", () => {
  const [ads, fluency] = calibrate("ads=0.5:documents,fluency=0.5:documents").filters;
  assert.equal(ads?.choices[0]?.documents, 12);
  assert.equal(fluency?.choices[0]?.documents, 6);
  const cascade = cascadeOf(calibrate("ads=0.5:documents,fluency=0.5:documents"), FILTERS);
  const verdicts = Array.from({ length: 12 }, (_, i) =>
    judge([SAMPLE.scores["ads"]![i]!, SAMPLE.scores["fluency"]![i]!], i < 10 ? C4 : CC, cascade),
  );
  assert.equal(verdicts.filter((v) => v.kind === "drop" && v.filter === "ads").length, 6);
  assert.equal(verdicts.filter((v) => v.kind === "drop" && v.filter === "fluency").length, 3);
});

test("filters apply to commoncrawl and c4 unless told otherwise, each by itself", () => {
  const plain = calibrate("ads=0.5:documents,fluency=0.5:documents");
  assert.deepEqual(
    plain.filters.map(({ appliesTo }) => appliesTo),
    [
      [CC, C4],
      [CC, C4],
    ],
  );
  const books = calibrate("ads=0.5:documents,fluency=1:documents", { appliesTo: { fluency: [BOOK] } });
  assert.deepEqual(
    books.filters[1]?.domains.map(({ domain }) => domain),
    [BOOK],
  );
  assert.equal(books.filters[1]?.choices[0]?.documents, 1);
});

test("a domain that the sample lacks takes the pool's threshold and promises nothing", () => {
  const [ads] = calibrate("ads=0.5:documents", { appliesTo: { ads: [C4, domainName("arxiv")] } }).filters;
  const arxiv = ads?.domains.find(({ domain }) => domain === "arxiv");
  assert.equal(arxiv?.threshold, 450);
  assert.deepEqual(arxiv?.predicted.documents, { rate: 0.5, from: 0, to: 1 });
});

test("a sample that is the whole input predicts without doubt, a part of it with", () => {
  const whole = calibrate("ads=0.5:documents", { samples: { ...SAMPLE, whole: true } }).filters[0]?.predicted;
  assert.deepEqual(whole?.documents, { rate: 0.5, from: 0.5, to: 0.5 });
  const part = calibrate("ads=0.5:documents").filters[0]?.predicted;
  assert.ok(part && part.documents.from < 0.3 && part.documents.to > 0.7);
  assert.equal(part.tokens.rate, 0.5);
});

test("the artefact describes its sample and survives JSON", () => {
  const made = calibrate("ads=0.5:documents,fluency=0.15:flagged");
  assert.deepEqual(made.sample, {
    fingerprint: "f".repeat(64),
    documents: 13,
    tokens: 1200,
    domains: [
      { domain: C4, documents: 10, tokens: 100 },
      { domain: CC, documents: 2, tokens: 100 },
      { domain: BOOK, documents: 1, tokens: 1000 },
    ],
    whole: false,
  });
  assert.deepEqual(parseCalibration(JSON.parse(JSON.stringify(made))), made);
});

test("a target for an unknown filter, or without documents to choose on, is an error with the way out", () => {
  assert.throws(() => calibrate("spam=0.5:documents"), {
    code: "ERR_CALIBRATION",
    message: 'target for "spam", which is no filter here; known: ads, fluency',
  });
  assert.throws(() => calibrate("ads=0.5:documents", { appliesTo: { ads: [domainName("arxiv")] } }), {
    code: "ERR_CALIBRATION",
    message: /no document of the sample reaches the filter "ads" \(it applies to arxiv\); sample more/,
  });
});

test("a calibration is refused for other filters than those it was made with", () => {
  const made = calibrate("ads=0.5:documents");
  assert.throws(() => cascadeOf(made, [FILTERS[1]!]), {
    code: "ERR_CALIBRATION",
    message: /drops by "ads", which is not among the filters here \(fluency\)/,
  });
  assert.throws(() => cascadeOf(made, [{ ...FILTERS[0]!, sha256: "other" }]), {
    code: "ERR_CALIBRATION",
    message: /filter "ads" has the model other, the calibration was made for sha of ads/,
  });
});

test("a calibration file with a threshold missing, an unknown field or another format is refused by name", () => {
  const made = calibrate("ads=0.5:documents");
  const [ads] = made.filters;
  assert.throws(() => parseCalibration({ ...made, filters: [{ ...ads, domains: ads?.domains.slice(1) }] }), {
    code: "ERR_CALIBRATION",
    message: /filter "ads" applies to commoncrawl and has no threshold for it/,
  });
  assert.throws(() => parseCalibration({ ...made, made: 2026 }, "x.json"), {
    code: "ERR_PARSE",
    message: /x.json.made is 2026; expected no such field/,
  });
  assert.throws(() => parseCalibration({ ...made, format: "headrace-calibration/2" }), { code: "ERR_PARSE" });
});

test("both readings of a rate are told, with what each drops of everything", () => {
  const scores = Int32Array.of(
    -400_000,
    -400_000,
    -400_000,
    -400_000,
    -400_000,
    -400_000,
    0,
    65_536,
    131_072,
    196_608,
  );
  const tokens = [1, 1, 1, 1, 1, 1, 1, 1, 1, 11];
  const [documents, flagged] = bothReadings(0.5, "high", scores, tokens);
  assert.equal(documents.unit, "documents");
  assert.deepEqual([documents.documents, documents.tokens], [0.4, 0.7]);
  assert.deepEqual([flagged.unit, flagged.documents, flagged.tokens], ["flagged", 0.1, 0.55]);
  assert.ok(Math.abs(flagged.mistaken - 1 / (1 + Math.exp(3))) < 1e-12);
});

test("a share of the input counts what earlier filters dropped too, in each unit, and what they leave is the most that can go", () => {
  const of = (target: string) => {
    const { filters } = calibrate(`ads=0.5:documents,${target}`);
    const { target: kept, choices, predicted } = filters[1]!;
    return { kept, choice: choices[0]!, dropped: predicted.documents.rate * 6 };
  };
  // Twelve documents of 200 tokens reach ads, which leaves six of 100.
  assert.equal(of("fluency=0.5:documents").dropped, 3);
  const documents = of("fluency=0.25:documents:input");
  assert.deepEqual(documents.kept, { rate: 0.25, unit: "documents", of: "input" });
  assert.ok(Math.abs(documents.dropped - 3) < 1e-9);
  assert.deepEqual([documents.choice.documents, documents.choice.rate], [6, 0.25]);
  const most = of("fluency=0.9:documents:input");
  assert.ok(Math.abs(most.dropped - 6) < 1e-9);
  assert.deepEqual([most.choice.rate, most.choice.below, most.choice.above], [0.5, 0.5, 0.5]);
  // 10 and 50 tokens of 200; of the 100 that are left it would be 60 %.
  assert.equal(of("fluency=0.3:tokens:input").choice.rate, 0.3);
  assert.equal(of("fluency=0.6:tokens").choice.rate, 0.6);
  const made = calibrate("ads=0.5:documents,fluency=0.25:documents:input");
  assert.deepEqual(parseCalibration(JSON.parse(JSON.stringify(made))), made);
});

test("a rate that ties keep from its target is told with the nearest that can be reached, and one that too few documents are left for", () => {
  const ties = {
    ...SAMPLE,
    scores: { ...SAMPLE.scores, ads: SAMPLE.scores["ads"]!.map((score) => (score < 700 ? 1 : 9)) },
  };
  assert.deepEqual(unreached(calibrate("ads=0.5:documents", { samples: ties })), [
    "ads=0.5:documents comes to 33.3 % in the pool, where 33.3 % and 100.0 % can be reached: scores tie, or documents are few",
  ]);
  assert.deepEqual(unreached(calibrate("ads=0.5:documents,fluency=0.9:documents:input")), [
    "fluency=0.9:documents:input comes to 50.0 % in the pool, where no rate above 50.0 % can be reached: earlier filters leave no more",
  ]);
  assert.deepEqual(unreached(calibrate("ads=0.5:documents")), []);
});

test("both readings of each target are those of the documents that reach its filter, for filters whose scores are odds", () => {
  const calibration = calibrate("ads=0.5:documents,fluency=0.5:documents");
  const of = { samples: SAMPLE, filters: FILTERS };
  const readings = cascadeReadings(calibration, of, () => true);
  assert.deepEqual(
    readings.map(({ filter, rate }) => [filter, rate]),
    [
      ["ads", 0.5],
      ["fluency", 0.5],
    ],
  );
  const left = Array.from({ length: 12 }, (_, i) => i).filter((i) => SAMPLE.scores["ads"]![i]! < 450);
  assert.deepEqual(
    readings[1]!.readings,
    bothReadings(
      0.5,
      "low",
      Int32Array.from(left, (i) => SAMPLE.scores["fluency"]![i]!),
      left.map((i) => SAMPLE.tokens[i]!),
    ),
  );
  assert.deepEqual(
    cascadeReadings(calibration, of, () => false),
    [],
  );
});
