/** What calibration promises of every sample. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { domainName } from "../../core/domain.ts";
import { keyOf, wordAt } from "../../core/random.ts";
import {
  type CalibrationSample,
  calibrateCascade,
  cascadeOf,
  drops,
  type Filter,
  isFlagged,
  judge,
  type Target,
} from "../../filters/index.ts";

const C4 = domainName("c4");
const CC = domainName("commoncrawl");
const FILTERS: readonly Filter[] = [
  { name: "ads", sha256: "a", dropWhen: "high", tokenizer: null, score: () => 0 },
  { name: "fluency", sha256: "f", dropWhen: "low", tokenizer: null, score: () => 0 },
];

const documents = fc.array(
  fc.record({
    domain: fc.nat(1),
    tokens: fc.integer({ min: 1, max: 50 }),
    ads: fc.integer({ min: -9, max: 9 }),
    fluency: fc.integer({ min: -9, max: 9 }),
  }),
  { minLength: 1, maxLength: 40 },
);
const rate = fc.integer({ min: 0, max: 20 }).map((n) => n / 20);
const unit = fc.constantFrom<Target["unit"]>("documents", "flagged", "tokens");

type Row = {
  readonly domain: number;
  readonly tokens: number;
  readonly ads: number;
  readonly fluency: number;
};

function sampleOf(rows: readonly Row[]): CalibrationSample {
  return {
    domains: [C4, CC],
    domain: rows.map(({ domain }) => domain),
    tokens: rows.map(({ tokens }) => tokens),
    scores: {
      ads: Int32Array.from(rows, ({ ads }) => ads),
      fluency: Int32Array.from(rows, ({ fluency }) => fluency),
    },
    fingerprint: "x",
  };
}

test("no threshold comes nearer to the target than the one chosen, in the target's own unit", () => {
  fc.assert(
    fc.property(documents, rate, unit, fc.constantFrom(...FILTERS), (rows, rate, unit, filter) => {
      const target = { filter: filter.name, rate, unit };
      const { filters } = calibrateCascade({
        targets: [target],
        filters: FILTERS,
        tokenizer: "t",
        samples: sampleOf(rows),
      });
      const scoreOf = (row: Row) => (filter.name === "ads" ? row.ads : row.fluency);
      const flagged = rows.filter((row) => isFlagged(filter.dropWhen, scoreOf(row)));
      const base = unit === "flagged" ? flagged : rows;
      const weigh = (some: readonly Row[]) =>
        unit === "tokens" ? some.reduce((sum, { tokens }) => sum + tokens, 0) : some.length;
      const distanceOf = (threshold: number) => {
        const dropped = rows.filter((row) => drops(filter.dropWhen, scoreOf(row), threshold));
        // More than is flagged may not be dropped.
        if (unit === "flagged" && dropped.length > flagged.length) return Number.POSITIVE_INFINITY;
        return Math.abs(weigh(dropped) - rate * weigh(base));
      };
      const chosen = filters[0]!.choices[0]!;
      const every = Array.from({ length: 24 }, (_, i) => i - 12);
      assert.equal(distanceOf(chosen.threshold), Math.min(...every.map(distanceOf)));
      assert.ok(chosen.below <= chosen.rate + 1e-12 || chosen.above <= chosen.rate + 1e-12);
    }),
    { numRuns: 500 },
  );
});

test("what the artefact predicts for its own sample is what judging the sample gives, filter by filter and domain by domain", () => {
  fc.assert(
    fc.property(
      documents,
      rate,
      rate,
      unit,
      fc.integer({ min: 1, max: 30 }),
      fc.boolean(),
      (rows, first, second, unit, minimumDocuments, ofInput) => {
        const samples = sampleOf(rows);
        const targets = [
          { filter: "ads", rate: first, unit },
          {
            filter: "fluency",
            rate: second,
            unit: "documents" as const,
            ...(ofInput && { of: "input" as const }),
          },
        ];
        const request = { targets, filters: FILTERS, tokenizer: "t", samples, minimumDocuments };
        let calibration: ReturnType<typeof calibrateCascade>;
        try {
          calibration = calibrateCascade(request);
        } catch (error) {
          assert.equal((error as { code?: string }).code, "ERR_CALIBRATION");
          const [ads] = calibrateCascade({ ...request, targets: [targets[0]!] }).filters;
          assert.equal(
            ads!.predicted.documents.rate,
            1,
            "an error, though the first filter leaves documents",
          );
          return;
        }
        const cascade = cascadeOf(calibration, FILTERS);
        let left = rows;
        for (const entry of calibration.filters) {
          const gone = (row: Row) => {
            const verdict = judge([row.ads, row.fluency], row.domain === 0 ? C4 : CC, cascade);
            return verdict.kind === "drop" && verdict.filter === entry.name;
          };
          for (const { domain, reached, predicted } of entry.domains) {
            const here = left.filter((row) => (row.domain === 0 ? C4 : CC) === domain);
            assert.equal(reached.documents, here.length);
            if (here.length === 0) continue;
            assert.equal(predicted.documents.rate, here.filter(gone).length / here.length);
            for (const { rate, from, to } of [predicted.documents, predicted.tokens])
              assert.ok(0 <= from && from <= rate && rate <= to && to <= 1);
          }
          left = left.filter((row) => !gone(row));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("the 99 % intervals hold the rates of what the sample was drawn from for at least 95 of 100 seeds, in documents and tokens, for both filters", () => {
  const held = { documents: [0, 0], tokens: [0, 0] };
  for (let seed = 0; seed < 100; seed++) {
    const population = draw(`population ${seed}`, 20_000);
    const sample = population.slice(0, 1500);
    const calibration = calibrateCascade({
      targets: [
        { filter: "ads", rate: 0.5, unit: "documents" },
        { filter: "fluency", rate: 0.15, unit: "documents" },
      ],
      filters: FILTERS,
      tokenizer: "t",
      samples: sampleOf(sample),
    });
    const cascade = cascadeOf(calibration, FILTERS);
    let left = population;
    for (const [f, { name, predicted }] of calibration.filters.entries()) {
      const dropped = new Set(
        left.filter((row) => {
          const verdict = judge([row.ads, row.fluency], C4, cascade);
          return verdict.kind === "drop" && verdict.filter === name;
        }),
      );
      const tokensOf = (rows: Iterable<Row>) => [...rows].reduce((sum, { tokens }) => sum + tokens, 0);
      const documents = dropped.size / left.length;
      const tokens = tokensOf(dropped) / tokensOf(left);
      if (documents >= predicted.documents.from && documents <= predicted.documents.to)
        held.documents[f]! += 1;
      if (tokens >= predicted.tokens.from && tokens <= predicted.tokens.to) held.tokens[f]! += 1;
      left = left.filter((row) => !dropped.has(row));
    }
  }
  for (const [what, counts] of Object.entries(held))
    for (const [f, count] of counts.entries())
      assert.ok(count >= 95 && count <= 100, `${FILTERS[f]!.name} in ${what}: ${count} of 100`);
});

/** Documents whose lengths are as uneven as the web's (log-normal) and go with their scores. */
function draw(name: string, size: number): readonly Row[] {
  const key = keyOf(name);
  const uniform = (i: number) => (wordAt(key, i) + 0.5) / 2 ** 32;
  const normal = (i: number) =>
    Math.sqrt(-2 * Math.log(uniform(2 * i))) * Math.cos(2 * Math.PI * uniform(2 * i + 1));
  return Array.from({ length: size }, (_, i) => {
    const length = normal(3 * i);
    return {
      domain: 0,
      tokens: Math.ceil(Math.exp(6 + 1.2 * length)),
      ads: Math.round(65_536 * (normal(3 * i + 1) - 0.3 * length)),
      fluency: Math.round(65_536 * (normal(3 * i + 2) + 0.3 * length)),
    };
  });
}
