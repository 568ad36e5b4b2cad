/**
 * The law of the build: killed at any moment, as often as you like, the same command ends in the same bytes and the same report.
 * SIGKILL strikes the process group of a real `headrace build` at a random time or at a random operation on a file, in every phase, and
 * often again when it is run again. HEADRACE_KILLS is how many (12), HEADRACE_KILL_ROUND the round to begin with: a failure names both, to be repeated.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyOf, wordAt } from "../../core/random.ts";
import { temporaryFolder } from "../support.ts";
import { assertSameFiles, type Disturbance, type Ended, operationsIn, reportIn } from "./disturbed.ts";
import { disturbedBuilds, PHASE_NAMES, PHASES, type Phase, STATUS } from "./disturbed-build.ts";

const KILLS = Number(process.env["HEADRACE_KILLS"] ?? 12);
const FROM = Number(process.env["HEADRACE_KILL_ROUND"] ?? 0);
const SEED = "kill/1";
/** A round is killed up to so many times before it may end. */
const KILLS_A_ROUND = 3;

const folder = temporaryFolder();
const { build, left, faultAt } = disturbedBuilds(folder);

/** The phase that a killed build was in, by what lies in its folder. */
function phaseOf(out: string, { pid }: Ended, began: number): Phase | "planning" {
  const path = (name: string) => join(folder, out, name);
  const mine = (name: string) => existsSync(path(name)) && statSync(path(name)).mtimeMs >= began - 50;
  const lock = existsSync(path(".build/lock")) ? readFileSync(path(".build/lock"), "utf8") : "";
  if (existsSync(path("manifest.json"))) return "commit";
  if (!lock.includes(`"pid":${pid},`)) return "planning";
  if (!mine(".build/build.json")) return "claim";
  if (!readdirSync(path(".build")).some((name) => name.startsWith("calibration-"))) return "calibration";
  if (!existsSync(path(".build/tasks"))) return "scan";
  if (existsSync(path("scores"))) return "finish";
  return existsSync(path("train")) ? "compaction" : "tasks";
}

test(`a build killed ${KILLS} times, wherever it was, goes on to the same bytes and the same report`, {
  timeout: 60_000 + 15_000 * KILLS,
}, async (context) => {
  const counting = faultAt("undisturbed", /./, 0, "kill");
  const undisturbed = await build("undisturbed", { fault: counting });
  assert.equal(undisturbed.status, STATUS, undisturbed.said);
  const operations = operationsIn(counting.log);
  const counts = PHASE_NAMES.map((phase) => operations.filter((line) => PHASES[phase].test(line)).length);
  assert.ok(
    counts.every((count) => count > 0),
    `${counts} operations in ${PHASE_NAMES}`,
  );
  const expected = left("undisturbed");
  const report = reportIn(undisturbed.printed);

  const phases = new Map<string, number>();
  let kills = 0;
  let again = 0;
  for (let round = FROM; kills < KILLS && round < FROM + 3 * KILLS; round++) {
    const out = `round-${round}`;
    const key = keyOf(SEED, round);
    const happened: string[] = [];
    for (let turn = 0; turn < 1 + (wordAt(key, 0) % KILLS_A_ROUND); turn++) {
      const [how, where, which] = [1, 2, 3].map((i) => wordAt(key, 8 * turn + i)) as [number, number, number];
      const began = Date.now();
      let moment: string;
      let disturbance: Disturbance;
      if (how % 2 === 0) {
        const afterSeconds = (undisturbed.seconds * where) / 2 ** 32;
        moment = `after ${afterSeconds.toFixed(2)} s`;
        disturbance = { afterSeconds };
      } else {
        const phase = where % PHASE_NAMES.length;
        const at = 1 + (which % counts[phase]!);
        const act = how % 3 === 0 ? "torn" : "kill";
        moment = `${act} at operation ${at} of ${PHASE_NAMES[phase]}`;
        disturbance = { fault: faultAt(out, PHASES[PHASE_NAMES[phase]!], at, act) };
      }
      const ended = await build(out, disturbance);
      if (ended.status !== null) {
        assert.equal(ended.status, STATUS, `round ${round}, ${moment}: ${ended.said}`);
        break;
      }
      const phase = phaseOf(out, ended, began);
      phases.set(phase, (phases.get(phase) ?? 0) + 1);
      happened.push(`${moment} (${phase})`);
      kills++;
    }
    if (happened.length > 1) again++;
    const last = await build(out);
    const story = `HEADRACE_KILLS=${happened.length} HEADRACE_KILL_ROUND=${round}, seed ${SEED}: killed ${happened.join(", then ")}`;
    assert.equal(last.status, STATUS, `${story}: ${last.said}`);
    assertSameFiles(left(out), expected, story);
    assert.deepEqual(reportIn(last.printed), report, story);
    rmSync(join(folder, out), { recursive: true });
  }
  context.diagnostic(
    `${kills} kills, ${again} rounds with more than one; ${[...phases].map(([phase, count]) => `${phase} ${count}`).join(", ")}`,
  );
  assert.ok(kills >= KILLS, `only ${kills} kills`);
  assert.ok(again >= Math.floor(KILLS / 12), `only ${again} builds were killed twice`);
  assert.ok(phases.size >= Math.min(7, KILLS / 3), `kills struck only in ${[...phases.keys()]}`);
});
