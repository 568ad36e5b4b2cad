import assert from "node:assert/strict";
import { test } from "node:test";
import { domainName } from "../../core/domain.ts";
import { keyOf, wordAt } from "../../core/random.ts";
import { calibrateCascade, driftAlarm, parseTargets, taskDrift } from "../../filters/index.ts";

const C4 = domainName("c4");
const CC = domainName("commoncrawl");
const N = 2000;
const CALIBRATION = calibrateCascade({
  targets: parseTargets("ads=0.5:documents"),
  filters: [{ name: "ads", sha256: "s", dropWhen: "high" }],
  tokenizer: "t",
  samples: {
    domains: [C4],
    domain: new Uint8Array(N),
    tokens: new Uint8Array(N).fill(1),
    scores: { ads: Int32Array.from({ length: N }, (_, i) => i) },
    fingerprint: "f",
  },
});

test("a task inside the 99 % band is quiet, one outside it is named with rate and band", () => {
  assert.deepEqual(
    driftAlarm(CALIBRATION, [{ filter: "ads", domain: C4, documents: 1000, dropped: 540 }]),
    [],
  );
  const [alarm] = driftAlarm(CALIBRATION, [{ filter: "ads", domain: C4, documents: 1000, dropped: 560 }]);
  assert.match(
    alarm?.reason ?? "",
    /^ads dropped 56.0 % of 1000 documents of c4; 45.\d % to 5[45].\d % was predicted \(99 %\)$/,
  );
});

test("the fewer documents a task has the wider its band", () => {
  const drift = (documents: number) =>
    driftAlarm(CALIBRATION, [{ filter: "ads", domain: C4, documents, dropped: 0.7 * documents }]).length;
  assert.deepEqual([10, 30, 100, 1000].map(drift), [0, 0, 1, 1]);
});

test("none of a few documents is inside a band that begins just above none, and all of them in one that ends just below", () => {
  const alarms = (documents: number, dropped: number) =>
    driftAlarm(CALIBRATION, [{ filter: "ads", domain: C4, documents, dropped }]);
  assert.ok(
    0.1 < alarms(7, 0)[0]!.band.from,
    "the band of five is a little wider, and begins above none too",
  );
  assert.deepEqual([...alarms(5, 0), ...alarms(5, 5)], []);
});

test("a task without documents, and a domain without a sample, never alarm", () => {
  assert.deepEqual(driftAlarm(CALIBRATION, [{ filter: "ads", domain: C4, documents: 0, dropped: 0 }]), []);
  assert.deepEqual(
    driftAlarm(CALIBRATION, [{ filter: "ads", domain: CC, documents: 999, dropped: 999 }]),
    [],
  );
});

test("a drop that was never calibrated is an error", () => {
  assert.throws(() => driftAlarm(CALIBRATION, [{ filter: "spam", domain: C4, documents: 1, dropped: 1 }]), {
    code: "ERR_CALIBRATION",
    message: /drops of "spam" in c4 were observed/,
  });
});

test("tasks are held to the band of all together: one that is far off is named, many that are a little off by chance are not", () => {
  const task = (name: string, dropped: number) => ({
    name,
    observed: [{ filter: "ads", domain: C4, documents: 1000, dropped }],
  });
  const quiet = Array.from({ length: 100 }, (_, i) => task(`${i}.jsonl`, i < 3 ? 560 : 500));
  assert.equal(driftAlarm(CALIBRATION, quiet[0]!.observed).length, 1);
  assert.deepEqual(taskDrift(CALIBRATION, quiet), []);
  assert.deepEqual(taskDrift(CALIBRATION, []), []);
  const [alarm, ...others] = taskDrift(CALIBRATION, [
    ...quiet,
    task("late.jsonl", 650),
    task("later.jsonl", 640),
  ]);
  assert.match(
    alarm!,
    /^ads in c4: 2 tasks of 102 outside what was predicted \(99 % for all together\); the first begins with late.jsonl and dropped 65.0 % of 1000 documents, where 4\d.\d % to 5\d.\d % was predicted$/,
  );
  assert.deepEqual(others, []);
});

test("a hundred tasks drawn from what was sampled alarm for at most one of 100 seeds", () => {
  let alarms = 0;
  for (let seed = 0; seed < 100; seed++) {
    const key = keyOf(`tasks ${seed}`);
    // Of scores 0 to 1,999 those from 1,000 on are dropped.
    const tasks = Array.from({ length: 100 }, (_, t) => {
      const dropped = Array.from({ length: 200 }, (_, i) => wordAt(key, 200 * t + i) % N).filter(
        (n) => n >= N / 2,
      );
      return {
        name: `${t}`,
        observed: [{ filter: "ads", domain: C4, documents: 200, dropped: dropped.length }],
      };
    });
    alarms += taskDrift(CALIBRATION, tasks).length;
  }
  assert.ok(alarms <= 1, `${alarms} of 100`);
});
