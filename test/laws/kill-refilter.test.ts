/**
 * The law of `build --from`: killed at any moment it begins again, and ends in the same bytes and the same report; what it reads is left
 * as it was.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyOf, wordAt } from "../../core/random.ts";
import { tree } from "../pipeline/corpus.ts";
import { temporaryFolder } from "../support.ts";
import { assertSameFiles, type Disturbance, operationsIn, reportIn, run } from "./disturbed.ts";
import { disturbedBuilds, STATUS } from "./disturbed-build.ts";

const SEED = "kill refilter/1";
const ROUNDS = 4;
const KILLS_A_ROUND = 2;

const folder = temporaryFolder();
const { build, left, faultAt } = disturbedBuilds(folder);

test("shards that are filtered anew, killed again and again, are those of an undisturbed run", {
  timeout: 300_000,
}, async (context) => {
  assert.equal((await build("from")).status, STATUS);
  const before = tree(join(folder, "from"));
  const refilter = (out: string, disturbance: Disturbance = {}) =>
    run(
      [
        "build",
        "--from",
        join(folder, "from"),
        "--out",
        join(folder, out),
        "--workers",
        "2",
        "--json",
      ].concat(["--drop", "gopher-repetition=0.1:documents,fineweb-quality=0.4:documents"]),
      disturbance,
    );
  const counting = faultAt("undisturbed", /./, 0, "kill");
  const undisturbed = await refilter("undisturbed", { fault: counting });
  assert.equal(undisturbed.status, STATUS, undisturbed.said);
  const operations = operationsIn(counting.log).length;
  const expected = left("undisturbed");
  const report = reportIn(undisturbed.printed);
  assert.notDeepEqual(tree(join(folder, "undisturbed")), before);

  for (let round = 0; round < ROUNDS; round++) {
    const out = `round-${round}`;
    const key = keyOf(SEED, round);
    const story: string[] = [];
    for (let kill = 0; kill < KILLS_A_ROUND; kill++) {
      // The last kill of all comes while scratch is removed, when the manifest is there.
      const last = round + 1 === ROUNDS && kill + 1 === KILLS_A_ROUND;
      const at = last ? operations - 2 : 1 + (wordAt(key, 2 * kill) % (operations - 2));
      const act = wordAt(key, 2 * kill + 1) % 3 === 0 ? "torn" : "kill";
      story.push(`${act} at operation ${at} of ${operations}`);
      const ended = await refilter(out, { fault: faultAt(out, /./, at, act) });
      assert.ok(ended.status === null || ended.status === STATUS, `${story}: ${ended.said}`);
    }
    const last = await refilter(out);
    assert.equal(last.status, STATUS, `${story}: ${last.said}`);
    assertSameFiles(left(out), expected, story.join(", then "));
    assert.deepEqual(reportIn(last.printed), report, story.join(", then "));
    rmSync(join(folder, out), { recursive: true });
  }
  assertSameFiles(tree(join(folder, "from")), before, "what is read is left as it is");
  context.diagnostic(`${ROUNDS * KILLS_A_ROUND} kills in ${operations} operations`);
});
