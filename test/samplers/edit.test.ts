import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  appendStage,
  compareSchedules,
  openPlan,
  PARTS,
  replayBatches,
  sealEdited,
} from "../../samplers/index.ts";
import { makeHeader, makeSchedule, weigh } from "./making.ts";

/** A schedule as the JSON that an editor has of it. */
function copyOf(schedule: ReturnType<typeof makeSchedule>) {
  return JSON.parse(JSON.stringify(schedule));
}

describe("an edited schedule", () => {
  const header = makeHeader([400, 4000, 300], { batches: 60 });
  const recorded = makeSchedule(header, [20, [0.5, 0.25, 0.25]], [60, [0.25, 0.5, 0.25]]);

  it("that was not edited is the recorded one, hash by hash, and departs nowhere", () => {
    assert.deepEqual(sealEdited(copyOf(recorded)), recorded);
    const {
      departs,
      same,
      compared,
      header: fields,
    } = compareSchedules(recorded, sealEdited(copyOf(recorded)));
    assert.deepEqual([departs, same, compared, fields], [null, 60, 60, []]);
  });

  it("departs where its rows first differ, which the replay of every row confirms", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 59 }),
        fc
          .tuple(fc.nat(20), fc.nat(20), fc.nat(20))
          .filter((weights) => weights.some((weight) => weight > 0)),
        (cut, weights) => {
          const edit = copyOf(recorded);
          edit.stages = [
            { ...edit.stages[0], untilBatch: cut },
            { fromBatch: cut, untilBatch: 60, weights },
          ];
          const edited = sealEdited(edit);
          const report = compareSchedules(recorded, edited);
          const rows = (schedule: typeof recorded) =>
            [...replayBatches(schedule, { rows: true })].map(({ rows, counts }) => ({
              rows: JSON.stringify(rows),
              counts,
            }));
          const [mine, theirs] = [rows(recorded), rows(edited)];
          const differing = mine.flatMap(({ rows }, k) => (rows === theirs[k]!.rows ? [] : [k]));
          assert.equal(report.departs?.batch ?? null, differing[0] ?? null);
          assert.equal(report.same, 60 - differing.length);
          const first = report.departs?.batch;
          if (first === undefined) return;
          for (const domain of report.domains) {
            assert.equal(domain.recorded, mine[first]!.counts[domain.name as never]);
            assert.equal(domain.edited, theirs[first]!.counts[domain.name as never]);
            assert.equal(report.departs!.domains.includes(domain.name), domain.recorded !== domain.edited);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("comes to what was run dry, although the stages recorded for that are gone or moved", () => {
    const limited = { ...header, exhaustion: { policy: "redistribute", epochs: 1 } as const, batches: 100 };
    const dry = makeSchedule(limited, [100, [0.5, 0.25, 0.25]]);
    assert.deepEqual(
      dry.stages.map(({ cause }) => cause.kind),
      ["initial", "exhausted", "exhausted"],
    );
    assert.deepEqual(sealEdited(copyOf(dry)), dry);
    const edit = copyOf(dry);
    edit.stages[0].weights = [PARTS / 4, PARTS / 2, PARTS / 4];
    const edited = sealEdited(edit);
    assert.deepEqual(edited, makeSchedule(limited, [100, [0.25, 0.5, 0.25]]));
    assert.equal(compareSchedules(dry, edited).departs!.batch, 0);
  });

  it("with another batch size is compared by the rows that there are", () => {
    const larger = appendStage(makeSchedule(header, [20, [0.5, 0.25, 0.25]]), {
      fromBatch: 20,
      untilBatch: null,
      weights: weigh(0.5, 0.25, 0.25),
      batchRows: 16,
      cause: { kind: "asked" },
    });
    assert.deepEqual(sealEdited(copyOf(larger)), larger);
    const report = compareSchedules(makeSchedule(header, [60, [0.5, 0.25, 0.25]]), larger);
    assert.deepEqual([report.departs!.batch, report.departs!.tokens, report.same], [20, 640, 20]);
    assert.equal(report.domains[0]!.editedRows, openPlan(larger).served(60)[0]);
  });

  it("under another seed holds other rows in every batch, and says in which field it differs", () => {
    const report = compareSchedules(recorded, makeSchedule({ ...header, seed: 7 }, [60, [0.5, 0.25, 0.25]]));
    assert.deepEqual([report.header, report.departs!.batch, report.same], [["seed"], 0, 0]);
  });

  it("whose weights are no weights is refused, and which stage it is", () => {
    for (const weights of [
      [0, 0, 0],
      [1, 1],
      [-1, 1, 1],
    ]) {
      const edit = copyOf(recorded);
      edit.stages[1].weights = weights;
      assert.throws(
        () => sealEdited(edit),
        /edited schedule: stages\[1\]\.weights are .*; expected 3 numbers from 0, not all 0/,
      );
    }
  });
});
