import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  addServed,
  openPlan,
  plannedHashes,
  type RowIds,
  ServedLog,
  servedHash,
  servedKeys,
} from "../../samplers/index.ts";
import { temporaryFolder } from "../support.ts";
import { tinySchedule, writeTinyShards } from "./tiny.ts";

const dir = temporaryFolder();
let logs = 0;
const newPath = (): string => join(dir, `${logs++}.log`);
const keys = servedKeys(["web", "code", "books"]);

const row = fc.record({ domain: fc.nat(2), epoch: fc.nat(5), row: fc.integer({ min: 0, max: 2 ** 32 - 1 }) });

function idsOf(rows: readonly { domain: number; epoch: number; row: number }[]): RowIds {
  return {
    domains: rows.map(({ domain }) => domain),
    epochs: rows.map(({ epoch }) => epoch),
    rows: rows.map((each) => each.row),
  };
}

/** The definition of docs/format.md 3.3 in arithmetic without 32-bit operators. */
function slowHash(rows: readonly { domain: number; epoch: number; row: number }[]): string {
  const word = 2n ** 32n;
  const mix = (value: bigint): bigint => {
    let x = value % word;
    x ^= x >> 16n;
    x = (x * 0x7feb352dn) % word;
    x ^= x >> 15n;
    x = (x * 0x846ca68bn) % word;
    return x ^ (x >> 16n);
  };
  let lo = 0n;
  let hi = 0n;
  for (const { domain, epoch, row } of rows) {
    const key = Array.from(keys[domain]!, BigInt);
    const part = (a: bigint, b: bigint) => mix(mix((BigInt(row) + a) % word) ^ ((BigInt(epoch) + b) % word));
    lo = (lo + part(key[0]!, key[1]!)) % word;
    hi = (hi + part(key[2]!, key[3]!)) % word;
  }
  return hi.toString(16).padStart(8, "0") + lo.toString(16).padStart(8, "0");
}

describe("servedHash", () => {
  it("is the sum that the format defines", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
        assert.equal(servedHash(keys, idsOf(rows)), slowHash(rows));
      }),
    );
  });

  it("does not depend on the order, and its parts add up", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), fc.nat(20), (rows, cut) => {
        const ids = idsOf(rows);
        const at = Math.min(cut, rows.length);
        assert.equal(servedHash(keys, idsOf([...rows].reverse())), servedHash(keys, ids));
        assert.equal(
          addServed(servedHash(keys, ids, 0, at), servedHash(keys, ids, at)),
          servedHash(keys, ids),
        );
      }),
    );
  });

  it("differs when a row, an epoch or a domain does", () => {
    const base = servedHash(keys, idsOf([{ domain: 0, epoch: 0, row: 5 }]));
    for (const other of [
      { domain: 1, epoch: 0, row: 5 },
      { domain: 0, epoch: 1, row: 5 },
      { domain: 0, epoch: 0, row: 6 },
    ])
      assert.notEqual(servedHash(keys, idsOf([other])), base);
  });
});

describe("plannedHashes", () => {
  it("gives the served hash of every batch without planning its rows in order", async () => {
    const manifest = await writeTinyShards(join(dir, "shards"));
    for (const batchRows of [12, 500]) {
      const plan = openPlan(
        tinySchedule(manifest, {
          batchRows,
          exhaustion: { policy: "redistribute", epochs: 40 },
          batches: 200,
        }),
      );
      const hashOf = plannedHashes(plan);
      const { batch: end } = plan.end();
      for (const k of [0, end - 1, ...Array.from({ length: Math.min(end, 60) }, (_, i) => i)])
        assert.equal(hashOf(k), servedHash(keys, plan.batch(k)));
      assert.throws(() => hashOf(end), { code: "ERR_UNDECIDED" });
    }
  });
});

describe("ServedLog", () => {
  const A = "00000000000000aa";
  const B = "00000000000000bb";

  it("writes each batch once, in order", () => {
    const path = newPath();
    const log = new ServedLog(path);
    assert.equal(log.append(0, A), true);
    assert.equal(log.append(1, B), true);
    assert.equal(log.append(0, A), false);
    log.close();
    assert.equal(readFileSync(path, "utf8"), `0 ${A}\n1 ${B}\n`);
    const again = new ServedLog(path);
    assert.equal(again.next, 2);
    assert.equal(again.append(1, B), false);
    assert.equal(again.append(2, A), true);
    again.close();
    assert.equal(readFileSync(path, "utf8"), `0 ${A}\n1 ${B}\n2 ${A}\n`);
  });

  it("refuses a batch acknowledged again with other rows, and a gap", () => {
    const log = new ServedLog(newPath());
    log.append(0, A);
    assert.throws(() => log.append(0, B), {
      code: "ERR_REPLAY",
      message: new RegExp(`batch 0 is acknowledged with served hash ${B}, .* has ${A}`),
    });
    assert.throws(() => log.append(2, A), { code: "ERR_REPLAY", message: /goes on with batch 1/ });
    log.close();
  });

  it("cuts off a line that a crash left unfinished, and says so", () => {
    for (const torn of ["1", `1 ${B.slice(0, 7)}`, `1 ${B}`]) {
      const path = newPath();
      writeFileSync(path, `0 ${A}\n${torn}`);
      const log = new ServedLog(path);
      assert.match(log.repaired!, new RegExp(`unfinished last line of ${torn.length} bytes after batch 0`));
      assert.equal(log.next, 1);
      log.append(1, B);
      log.close();
      assert.equal(readFileSync(path, "utf8"), `0 ${A}\n1 ${B}\n`);
    }
  });

  it("refuses a log whose whole lines are not what comes next, naming the line", () => {
    for (const [text, message] of [
      [`0 ${A}\n2 ${B}\n`, /line 2 is "2 00000000000000bb"; expected batch 1/],
      [`0 ${A}\n0 ${A}\n`, /line 2/],
      [`0 ${A}\n\n`, /line 2 is ""/],
      [`0 ${A.toUpperCase()}\n`, /line 1/],
      [`00 ${A}\n`, /line 1/],
    ] as const) {
      const path = newPath();
      appendFileSync(path, text);
      assert.throws(() => new ServedLog(path), { code: "ERR_REPLAY", message });
      assert.equal(readFileSync(path, "utf8"), text);
    }
  });
});
