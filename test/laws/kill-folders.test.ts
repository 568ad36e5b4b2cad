/**
 * The law of `export` and `import`: killed at any moment, the folder is there whole or not at all, and the same command ends in the same
 * bytes and leaves nothing beside it.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyOf, wordAt } from "../../core/random.ts";
import { exportShards } from "../../shards/index.ts";
import { tree } from "../pipeline/corpus.ts";
import { writeWholeFolder } from "../shards/folder.ts";
import { temporaryFolder } from "../support.ts";
import { assertSameFiles, operationsIn, run } from "./disturbed.ts";
import type { Fault } from "./faults.ts";

const SEED = "kill folders/1";
const ROUNDS = 3;
const KILLS_A_ROUND = 2;

const folder = temporaryFolder();
const shards = join(folder, "shards");
await writeWholeFolder(shards);
await exportShards(shards, { to: "megatron", out: join(folder, "megatron") });

for (const [name, words] of [
  ["export", ["export", shards, "--to", "mds"]],
  ["import", ["import", join(folder, "megatron"), "--validation-tokens", "60"]],
] as const)
  test(`${name} killed at any operation leaves a whole folder or none, and then ends in the same bytes`, async (context) => {
    const faultAt = (parent: string, at: number, act: Fault["act"]): Fault => ({
      root: parent,
      pattern: ".",
      at,
      act,
      log: `${parent}.log`,
    });
    const start = (parent: string, fault?: Fault) =>
      run([...words, "--out", join(parent, "out")], fault ? { fault } : {});
    const made = (round: string): string => {
      const parent = join(folder, `${name}-${round}`);
      mkdirSync(parent);
      return parent;
    };
    const quiet = made("undisturbed");
    const undisturbed = await start(quiet, faultAt(quiet, 0, "kill"));
    assert.equal(undisturbed.status, 0, undisturbed.said);
    const operations = operationsIn(`${quiet}.log`).length;
    assert.ok(operations > 40, `${operations} operations`);
    const expected = tree(join(quiet, "out"));

    let leftovers = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const parent = made(`round-${round}`);
      const key = keyOf(SEED, name, round);
      const story: string[] = [];
      for (let kill = 0; kill < KILLS_A_ROUND; kill++) {
        // The last kill of all comes with the last operations, around the renaming.
        const last = round + 1 === ROUNDS && kill + 1 === KILLS_A_ROUND;
        const at = last ? operations - 4 : 1 + (wordAt(key, 2 * kill) % (operations - 4));
        const act = wordAt(key, 2 * kill + 1) % 3 === 0 ? "torn" : "kill";
        const ended = await start(parent, faultAt(parent, at, act));
        story.push(`${act} at operation ${at} of ${operations}`);
        assert.equal(ended.status, null, `${story}: ${ended.said}`);
        if (existsSync(join(parent, "out")))
          assertSameFiles(tree(join(parent, "out")), expected, story.join());
        const left = readdirSync(parent).filter((entry) => entry !== "out");
        assert.ok(left.length <= 1, `${story}: ${left} are left`);
        leftovers += left.length;
      }
      if (!existsSync(join(parent, "out"))) {
        const ended = await start(parent);
        assert.equal(ended.status, 0, `${story}: ${ended.said}`);
      }
      assert.deepEqual(readdirSync(parent), ["out"], story.join());
      assertSameFiles(tree(join(parent, "out")), expected, story.join());
    }
    context.diagnostic(`${ROUNDS * KILLS_A_ROUND} kills left ${leftovers} unfinished folders`);
    assert.ok(leftovers > 0);
  });
