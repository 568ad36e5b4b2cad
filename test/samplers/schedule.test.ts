import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { domainName, domainWeights } from "../../core/domain.ts";
import { canonicalJson, sha256 } from "../../core/hash.ts";
import {
  appendStage,
  createSchedule,
  decidedEnd,
  lossDriven,
  PARTS,
  parseSchedule,
  readSchedule,
  requireExtends,
  type Schedule,
  scheduleState,
  type WeightStage,
  writeSchedule,
} from "../../samplers/index.ts";
import { temporaryFolder } from "../support.ts";
import { makeHeader, makeSchedule, weigh } from "./making.ts";

const header = makeHeader([400, 200], { batches: 40 });
const three = makeSchedule(header, [10, [0.5, 0.5]], [25, [0.7, 0.3]], [40, [0.9, 0.1]]);

/** The schedule with its stages changed, as JSON would bring it. */
function changed(
  schedule: Schedule,
  change: (stages: { -readonly [K in keyof WeightStage]: WeightStage[K] }[]) => void,
): unknown {
  const copy = JSON.parse(JSON.stringify(schedule));
  change(copy.stages);
  return copy;
}

/** The hash that a stage would have after `previous`. */
function rehash(previous: string, stage: WeightStage): string {
  const { hash: _, ...content } = stage;
  return sha256(`${previous}\n${canonicalJson(content)}`);
}

describe("appendStage", () => {
  test("records integer weights, rows served, deficits, tokens, cause and measurement", () => {
    const schedule = appendStage(makeSchedule(header, [3, [0.7, 0.3]]), {
      fromBatch: 3,
      untilBatch: 5,
      weights: weigh(0.25, 0.75),
      cause: { kind: "loss", rule: "softmax" },
      measuredAt: 2,
      lag: 1,
    });
    const { hash, ...stage } = schedule.stages[1]!;
    const carry = Math.floor(0.7 * PARTS + 0.5) * 24 - 17 * PARTS;
    assert.deepEqual(stage, {
      fromBatch: 3,
      untilBatch: 5,
      fromTokens: 96,
      weights: [PARTS / 4, (3 * PARTS) / 4],
      served: [17, 7],
      carry: [carry, -carry],
      cause: { kind: "loss", rule: "softmax" },
      measuredAt: 2,
      lag: 1,
    });
    assert.equal(hash, rehash(schedule.stages[0]!.hash, schedule.stages[1]!));
    assert.equal(schedule.stages[0]!.hash, rehash(sha256(canonicalJson(header)), schedule.stages[0]!));
  });
  test("leaves the schedule that it is given as it was", () => {
    const before = createSchedule(header);
    appendStage(before, {
      fromBatch: 0,
      untilBatch: 4,
      weights: weigh(0.5, 0.5),
      cause: { kind: "initial" },
    });
    assert.deepEqual(before, { header, stages: [] });
  });
  test("settles a domain whose weight drops to 0", () => {
    const schedule = makeSchedule(makeHeader([400, 200, 100]), [1, [0.45, 0.3, 0.25]], [2, [0.5, 0, 0.5]]);
    // 3.6 rows, 2.4 and 2 are given as 4, 2 and 2; the 0.4 that d1 is owed go to d0, the lowest.
    assert.deepEqual(schedule.stages[1]!.served, [4, 2, 2]);
    assert.deepEqual(schedule.stages[1]!.carry, [0, 0, 0]);
  });
  test("takes domains that the weights do not name at 0, by name and not by place", () => {
    const weights = domainWeights({ d1: 0.25, d0: 0.75 });
    const { stages } = appendStage(createSchedule(makeHeader([400, 200, 100])), {
      fromBatch: 0,
      untilBatch: 1,
      weights,
      cause: { kind: "initial" },
    });
    assert.deepEqual(stages[0]!.weights, [0.75 * PARTS, 0.25 * PARTS, 0]);
  });

  const refused = (schedule: Schedule, fromBatch: number, untilBatch: number | null) => () =>
    appendStage(schedule, { fromBatch, untilBatch, weights: weigh(0.5, 0.5), cause: { kind: "initial" } });
  test("refuses a stage that does not begin where the last one ends", () => {
    assert.throws(refused(makeSchedule(header, [10, [0.5, 0.5]]), 12, 20), {
      code: "ERR_SCHEDULE",
      message: "a stage from batch 12 does not follow stage 0; the next stage begins at batch 10",
    });
    assert.throws(refused(createSchedule(header), 1, 20), {
      code: "ERR_SCHEDULE",
      message: "a stage from batch 1 is the first; it begins at batch 0",
    });
  });
  test("refuses a stage after the end of the run", () => {
    assert.throws(refused(three, 40, null), {
      code: "ERR_SCHEDULE",
      message:
        "a stage from batch 40 cannot be appended: the schedule is decided to the end of the run, batch 40",
    });
    assert.throws(refused(makeSchedule(header, [null, [0.5, 0.5]]), 40, 41), { code: "ERR_SCHEDULE" });
  });
  test("refuses a stage that is empty or passes the end of the run", () => {
    assert.throws(refused(makeSchedule(header, [10, [0.5, 0.5]]), 10, 10), {
      code: "ERR_SCHEDULE",
      message: "a stage from batch 10 until batch 10 is empty; it governs at least one batch",
    });
    assert.throws(refused(makeSchedule(header, [10, [0.5, 0.5]]), 10, 41), {
      code: "ERR_SCHEDULE",
      message: "a stage from batch 10 until batch 41 passes the end of the run, batch 40; end it there",
    });
  });
  test("refuses weight on a domain without a row, and on one that the schedule does not have", () => {
    assert.throws(() => makeSchedule(makeHeader([400, 3]), [10, [0.5, 0.5]]), {
      code: "ERR_DOMAIN",
      message:
        'domain "d1" has 3 tokens, less than a row of 4, and a weight of 0.5; give it weight 0, or shorter rows',
    });
    assert.throws(
      () =>
        appendStage(createSchedule(header), {
          fromBatch: 0,
          untilBatch: 1,
          weights: weigh(0.5, 0.25, 0.25),
          cause: { kind: "initial" },
        }),
      { code: "ERR_DOMAIN", message: 'weight for "d2", which is not a domain here; known: d0, d1' },
    );
  });
});

describe("createSchedule", () => {
  test("refuses a format or an algorithm that it does not know", () => {
    const broken = (changes: object) => () => createSchedule({ ...header, ...changes } as typeof header);
    assert.throws(broken({ format: "headrace-schedule/2" }), {
      code: "ERR_PARSE",
      message: 'header.format is "headrace-schedule/2"; expected one of headrace-schedule/1',
    });
    assert.throws(broken({ algorithm: 2 }), {
      code: "ERR_PARSE",
      message: "header.algorithm is 2; expected one of 1",
    });
    assert.throws(broken({ seed: -1 }), { code: "ERR_PARSE" });
    assert.throws(broken({ batchRows: 2 ** 20 + 1 }), { code: "ERR_PARSE" });
    assert.throws(broken({ lookahead: 2 }), { code: "ERR_PARSE" });
    assert.throws(broken({ exhaustion: { policy: "repeat", epochs: 0 } }), { code: "ERR_PARSE" });
    assert.throws(broken({ shuffle: true }), {
      code: "ERR_PARSE",
      message: /^header.shuffle is true; expected no such field/,
    });
  });
  test("refuses a domain without a row that a published policy would reach", () => {
    const names = ["d0", "d1"];
    const reference = {
      source: "made up",
      losses: Object.fromEntries(names.map((name) => [domainName(name), 2])),
    };
    const dynamic = (asPublished: boolean) =>
      makeHeader([400, 3], {
        policy: lossDriven("custom", weigh(1, 0), names, { batchTokens: 32, reference, asPublished }),
      });
    createSchedule(dynamic(false));
    assert.throws(() => createSchedule(dynamic(true)), {
      code: "ERR_DOMAIN",
      message:
        'domain "d1" has 3 tokens, less than a row of 4, and policy custom as published gives every domain weight at its first update; leave the domain out, or keep the guard rails',
    });
  });
  test("refuses domains that are none, named twice or too long for 32 bits of rows", () => {
    const domains = (...names: string[]) => names.map((name) => ({ name: domainName(name), tokens: 10 }));
    assert.throws(() => createSchedule({ ...header, domains: [] }), { code: "ERR_DOMAIN" });
    assert.throws(() => createSchedule({ ...header, domains: domains("a", "b", "a") }), {
      code: "ERR_DOMAIN",
      message: "header.domains names 2 different domains in 3 entries; each is named once, 1 to 65535 in all",
    });
    assert.throws(() => createSchedule(makeHeader([2 ** 35])), {
      code: "ERR_DOMAIN",
      message: 'domain "d0" has 8589934592 rows of 4 tokens, more than 2^32; use longer rows',
    });
  });
});

describe("parseSchedule", () => {
  test("gives back what was appended", () => {
    assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(three))), three);
  });
  test("names the stage whose weights no longer sum to 2^24", () => {
    const broken = changed(three, (stages) => {
      stages[1]!.weights = [stages[1]!.weights[0]! + 1, stages[1]!.weights[1]!];
    });
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message:
        "schedule stage 1 (from batch 10) has weights that sum to 16777217, expected 16777216: a weight was changed; restore the schedule that the run wrote",
    });
  });
  test("names the stage whose weights were changed, by its hash", () => {
    const broken = changed(three, (stages) => {
      stages[1]!.weights = [stages[1]!.weights[0]! + 1, stages[1]!.weights[1]! - 1];
    });
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message: new RegExp(
        `^schedule stage 1 \\(from batch 10\\) has hash ${three.stages[1]!.hash}, expected [0-9a-f]{64} from what it holds`,
      ),
    });
  });
  test("names the next stage when a changed one was hashed again", () => {
    const broken = changed(three, (stages) => {
      stages[1]!.cause = { kind: "initial", note: "changed" };
      stages[1]!.hash = rehash(stages[0]!.hash, stages[1]!);
    });
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message: /^schedule stage 2 \(from batch 25\) has hash/,
    });
  });
  test("names a change even when the whole chain was hashed again: the rows do not follow", () => {
    const broken = changed(three, (stages) => {
      stages[1]!.weights = [stages[1]!.weights[0]! + 1000000, stages[1]!.weights[1]! - 1000000];
      for (const i of [1, 2]) stages[i]!.hash = rehash(stages[i - 1]!.hash, stages[i]!);
    });
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message:
        'schedule stage 2 (from batch 25) has served 124 for domain "d0", expected 131 from the stages before it; restore the schedule that the run wrote',
    });
  });
  test("names changed served rows, deficits and tokens", () => {
    for (const [field, value, expected] of [
      ["served", [41, 39], 'served 41 for domain "d0", expected 40'],
      ["carry", [1, -1], 'carry 1 for domain "d0", expected 0'],
      ["fromTokens", 321, "fromTokens 321, expected 320"],
    ] as const) {
      const broken = changed(three, (stages) => {
        Object.assign(stages[1]!, { [field]: value });
        stages[1]!.hash = rehash(stages[0]!.hash, stages[1]!);
        stages[2]!.hash = rehash(stages[1]!.hash, stages[2]!);
      });
      assert.throws(() => parseSchedule(broken), {
        code: "ERR_SCHEDULE",
        message: new RegExp(`^schedule stage 1 .* has ${expected}`),
      });
    }
  });
  test("names the place of a missing stage", () => {
    const broken = changed(three, (stages) => stages.splice(1, 1));
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message:
        "schedule stage 1 (from batch 25) does not begin where stage 0 ends, at batch 10; a stage is missing; restore the schedule that the run wrote",
    });
    const headless = changed(three, (stages) => stages.splice(0, 1));
    assert.throws(() => parseSchedule(headless), {
      code: "ERR_SCHEDULE",
      message: /^schedule stage 0 \(from batch 10\) does not begin at batch 0; a stage is missing;/,
    });
  });
  test("names stages that are out of order", () => {
    const broken = changed(three, (stages) => stages.reverse());
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message:
        "schedule stage 0 (from batch 25) does not begin at batch 0; stage 2 begins there: the stages are out of order; restore the schedule that the run wrote",
    });
  });
  test("names the first stage when the header was changed", () => {
    const copy = JSON.parse(JSON.stringify(three));
    copy.header.seed = 1;
    assert.throws(() => parseSchedule(copy), {
      code: "ERR_SCHEDULE",
      message: /^schedule stage 0 \(from batch 0\) has hash .* the header or an earlier stage was changed/,
    });
  });
  test("refuses a stage after one that runs to the end, and one that ends before it begins", () => {
    const after = changed(three, (stages) => {
      stages[0]!.untilBatch = null;
      stages[0]!.hash = rehash(sha256(canonicalJson(header)), stages[0]!);
    });
    assert.throws(() => parseSchedule(after), {
      code: "ERR_SCHEDULE",
      message: /^schedule stage 1 .* follows stage 0, which decides the run to its end at batch 40;/,
    });
    const empty = changed(three, (stages) => {
      stages[0]!.untilBatch = 0;
    });
    assert.throws(() => parseSchedule(empty), {
      code: "ERR_SCHEDULE",
      message: /^schedule stage 0 .* ends at batch 0, before it begins;/,
    });
    const long = changed(three, (stages) => {
      stages[2]!.untilBatch = 41;
    });
    assert.throws(() => parseSchedule(long), {
      code: "ERR_SCHEDULE",
      message: /ends at batch 41; the run ends at 40;/,
    });
  });
  test("refuses a stage that gives more rows than the exhaustion policy allows", () => {
    const capped = makeSchedule(
      makeHeader([400, 200], { exhaustion: { policy: "redistribute", epochs: null } }),
      [10, [0.5, 0.5]],
    );
    const broken = changed(capped, (stages) => {
      stages[0]!.untilBatch = 13;
      stages[0]!.hash = rehash(sha256(canonicalJson(capped.header)), stages[0]!);
    });
    assert.throws(() => parseSchedule(broken), {
      code: "ERR_SCHEDULE",
      message: /gives 52 rows of domain "d1" by batch 13, expected at most 50 under exhaustion redistribute/,
    });
  });
  test("refuses lists of the wrong length and unknown fields", () => {
    const short = changed(three, (stages) => {
      stages[1]!.carry = [0];
    });
    assert.throws(() => parseSchedule(short), {
      code: "ERR_SCHEDULE",
      message: /lists 1 carry, expected one for each of 2 domains/,
    });
    const strange = changed(three, (stages) => Object.assign(stages[1]!, { note: 1 }));
    assert.throws(() => parseSchedule(strange), {
      code: "ERR_PARSE",
      message: /^schedule\.stages\[1\]\.note is 1/,
    });
    const causeless = changed(three, (stages) => Object.assign(stages[1]!, { cause: {} }));
    assert.throws(() => parseSchedule(causeless), {
      code: "ERR_PARSE",
      message: /cause\.kind is absent; expected a string/,
    });
  });
});

describe("a schedule's state", () => {
  const two = makeSchedule(header, [10, [0.5, 0.5]], [25, [0.7, 0.3]]);

  test("is its number of stages and the last hash, or the header's", () => {
    assert.deepEqual(scheduleState(two), { stages: 2, hash: two.stages[1]!.hash });
    assert.deepEqual(scheduleState(createSchedule(header)), {
      stages: 0,
      hash: sha256(canonicalJson(header)),
    });
  });
  test("is extended by the same stages and more", () => {
    for (const known of [createSchedule(header), two, three]) requireExtends(three, scheduleState(known));
  });
  test("is not extended by fewer stages", () => {
    assert.throws(() => requireExtends(two, scheduleState(three)), {
      code: "ERR_SCHEDULE",
      message:
        "the schedule has 2 stages and the sampler has seen 3; a recorded stage is never taken back: restore it, or begin a new run",
    });
  });
  test("is not extended by another branch or another header", () => {
    const branch = makeSchedule(header, [10, [0.5, 0.5]], [25, [0.6, 0.4]], [40, [0.9, 0.1]]);
    assert.throws(() => requireExtends(branch, scheduleState(two)), {
      code: "ERR_SCHEDULE",
      message: `the schedule does not extend the one in hand: stage 1 has hash ${branch.stages[1]!.hash}, expected ${two.stages[1]!.hash}; it belongs to another run or was changed`,
    });
    const other = createSchedule({ ...header, seed: 1 });
    assert.throws(() => requireExtends(other, scheduleState(createSchedule(header))), {
      code: "ERR_SCHEDULE",
      message: /: its header has hash/,
    });
  });
});

describe("decidedEnd", () => {
  test("is where the last stage ends, final only at the end of the run", () => {
    assert.deepEqual(decidedEnd(createSchedule(header)), { batch: 0, final: false });
    assert.deepEqual(decidedEnd(makeSchedule(header, [10, [0.5, 0.5]])), { batch: 10, final: false });
    assert.deepEqual(decidedEnd(three), { batch: 40, final: true });
    assert.deepEqual(decidedEnd(makeSchedule(header, [null, [0.5, 0.5]])), { batch: 40, final: true });
    assert.deepEqual(decidedEnd(makeSchedule(makeHeader([400]), [null, [1]])), {
      batch: Number.POSITIVE_INFINITY,
      final: true,
    });
  });
});

describe("schedule.json", () => {
  test("is read back as it was written, a line a stage, with nothing left beside it", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "schedule.json");
    await writeSchedule(path, createSchedule(header));
    await writeSchedule(path, three);
    assert.deepEqual(await readSchedule(path), three);
    assert.equal(readFileSync(path, "utf8").split("\n").length, 6);
    assert.deepEqual(readdirSync(folder), ["schedule.json"]);
  });
  test("that is absent, cut or changed is refused by name", async () => {
    const path = join(temporaryFolder(), "schedule.json");
    await assert.rejects(readSchedule(path), {
      code: "ERR_INPUT",
      message: /^schedule .*schedule\.json cannot be read: ENOENT/,
    });
    writeFileSync(path, JSON.stringify(three).slice(0, -10));
    await assert.rejects(readSchedule(path), { code: "ERR_PARSE", message: /schedule\.json is not JSON/ });
    writeFileSync(path, JSON.stringify(changed(three, (stages) => stages.splice(1, 1))));
    await assert.rejects(readSchedule(path), {
      code: "ERR_SCHEDULE",
      message: /schedule\.json stage 1 \(from batch 25\)/,
    });
  });
});
