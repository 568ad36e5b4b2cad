import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { meanLosses, parseLossReport } from "../../samplers/index.ts";

const report = {
  format: "headrace-report/1",
  measuredAt: 170,
  kind: "validation",
  domains: {
    c4: { lossSum: 30, tokens: 12 },
    book: { lossSum: 0, tokens: 1 },
    mmlu: { lossSum: 1, tokens: 0 },
  },
};

describe("a loss report", () => {
  test("is parsed as it is", () => {
    assert.deepEqual(parseLossReport(report, "report"), report);
  });
  test("of another format or kind, or with half a token, is refused", () => {
    assert.throws(() => parseLossReport({ ...report, format: "headrace-report/2" }, "report"), {
      code: "ERR_PARSE",
      message: /^report\.format/,
    });
    assert.throws(() => parseLossReport({ ...report, kind: "test" }, "report"), {
      code: "ERR_PARSE",
      message: /^report\.kind/,
    });
    assert.throws(
      () => parseLossReport({ ...report, domains: { c4: { lossSum: 1, tokens: 0.5 } } }, "report"),
      {
        code: "ERR_PARSE",
        message: /^report\.domains\.c4\.tokens is 0\.5/,
      },
    );
  });
});

describe("meanLosses", () => {
  test("are nats a token of the domains asked for, others ignored", () => {
    assert.deepEqual(meanLosses(report.domains, ["c4", "book"]), { c4: 2.5, book: 0 });
  });
  test("refuse a domain that is missing, counts no tokens or is not finite, by name", () => {
    assert.throws(() => meanLosses(report.domains, ["c4", "arxiv"]), {
      code: "ERR_LOSS",
      message: 'the loss report has no loss for domain "arxiv"; it has c4, book, mmlu; evaluate every domain',
    });
    assert.throws(() => meanLosses(report.domains, ["mmlu"]), {
      code: "ERR_LOSS",
      message:
        'the loss report counts 0 tokens for domain "mmlu", so it has no mean loss; evaluate at least one row of it',
    });
    for (const lossSum of [Number.NaN, Number.POSITIVE_INFINITY, -1])
      assert.throws(() => meanLosses({ c4: { lossSum, tokens: 1 } }, ["c4"]), {
        code: "ERR_LOSS",
        message: `the loss report has loss ${lossSum} for domain "c4"; a loss is finite and >= 0: the model has diverged or the report is broken`,
      });
  });
  test("name a NaN that JSON turned into null", () => {
    const parsed = parseLossReport(
      JSON.parse(
        '{"format":"headrace-report/1","measuredAt":1,"kind":"training","domains":{"c4":{"lossSum":null,"tokens":2}}}',
      ),
      "report",
    );
    assert.throws(() => meanLosses(parsed.domains, ["c4"], "report 1"), {
      code: "ERR_LOSS",
      message: /^report 1 has loss NaN for domain "c4"/,
    });
  });
});
