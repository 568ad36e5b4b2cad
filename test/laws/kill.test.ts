/**
 * The law of the build: killed at any moment, as often as you like, the same command ends in the same bytes and the same report.
 * SIGKILL strikes the process group of a real `headrace build` at a random time or at a random operation on a file, in every phase, and
 * often again when it is run again. HEADRACE_KILLS is how many (12); HEADRACE_KILL_ROUND=n repeats the n-th round alone.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hashOf } from "../../core/hash.ts";
import { keyOf, wordAt } from "../../core/random.ts";
import { ledgerSummary } from "../../pipeline/index.ts";
import { lineOf, tree, writeCorpus, writeFile } from "../pipeline/corpus.ts";
import { formFile } from "../pipeline/tokenizer/byte-level-forms.ts";
import { temporaryFolder } from "../support.ts";
import { assertSameFiles, type Disturbance, type Ended, operationsIn, reportIn, run } from "./disturbed.ts";
import type { Fault } from "./faults.ts";

const KILLS = Number(process.env["HEADRACE_KILLS"] ?? 12);
const ONLY = process.env["HEADRACE_KILL_ROUND"];
const SEED = "kill/1";
/** A round is killed up to so many times before it may end. */
const KILLS_A_ROUND = 3;

/** The phases of a build, in order, with the operations on files that only they do. */
const PHASES = {
  claim:
    /^(mkdir|open|write|sync|close|rename|link|unlink) \.build\/(lock|\.?build\.json)|^rm [a-z]+(\.jsonl?)?$/,
  calibration: /^\w+ \.build\/\.?calibration\.json/,
  tasks: /^(mkdir|open|write|sync|close|rename) \.build\/tasks\//,
  compaction: /^(mkdir|open|write|sync|close|rename) (train|validation|dropped)\//,
  finish:
    /^(mkdir|open|write|sync|close|rename) (scores\/|\.?(quarantine|incidents|gap|calibration|origin)\.|\.build\/\.?notes)/,
  commit:
    /^(open|write|sync|close|rename) \.?manifest\.json|^rm \.build\/tasks\/.*(kept|dropped|scores\.arrow)$/,
} as const;
type Phase = keyof typeof PHASES;
const PHASE_NAMES = Object.keys(PHASES) as readonly Phase[];

const folder = temporaryFolder();
const corpus = join(folder, "in");
writeCorpus(corpus, 5, 60);
// A file that is cut, and records that are no documents: a quarantine and incidents to get right as well.
const cut = readFileSync(join(corpus, "example_train_4.jsonl.zst"));
writeFileSync(join(corpus, "example_train_4.jsonl.zst"), cut.subarray(0, cut.length - 9));
writeFile(join(corpus, "zz.jsonl"), `not json\n{"text":""}\n${lineOf("a document", "RedPajamaBook")}`);

function build(out: string, disturbance: Disturbance = {}): Promise<Ended> {
  const filters = "gopher-repetition=0.3:documents,fineweb-quality=0.2:documents";
  return run(
    ["build", corpus, "--out", join(folder, out), "--workers", "2", "--json", "--drop", filters].concat([
      "--tokenizer",
      formFile("smollm-2"),
      "--no-bos",
      "--eos",
    ]),
    disturbance,
  );
}

/** All that a build leaves but for the SQLite ledger, which says what was reused and when; its totals are compared instead. */
function left(out: string): Readonly<Record<string, string>> {
  const dir = join(folder, out);
  const build = tree(join(dir, ".build"));
  delete build["ledger.sqlite"];
  return {
    ...tree(dir),
    ...Object.fromEntries(Object.entries(build).map(([name, hash]) => [`.build/${name}`, hash])),
    "the ledger": hashOf(ledgerSummary(join(dir, ".build"))),
  };
}

function faultAt(out: string, pattern: RegExp, at: number, act: Fault["act"]): Disturbance {
  return {
    fault: { root: join(folder, out), pattern: pattern.source, at, act, log: join(folder, `${out}.log`) },
  };
}

/** The phase that a killed build was in, by what lies in its folder. */
function phaseOf(out: string, { pid }: Ended, began: number): Phase | "planning" {
  const path = (name: string) => join(folder, out, name);
  const mine = (name: string) => existsSync(path(name)) && statSync(path(name)).mtimeMs >= began - 50;
  const lock = existsSync(path(".build/lock")) ? readFileSync(path(".build/lock"), "utf8") : "";
  if (existsSync(path("manifest.json"))) return "commit";
  if (!lock.includes(`"pid":${pid},`)) return "planning";
  if (!mine(".build/build.json")) return "claim";
  if (!mine(".build/calibration.json")) return "calibration";
  if (existsSync(path("scores"))) return "finish";
  return existsSync(path("train")) ? "compaction" : "tasks";
}

test(`a build killed ${KILLS} times, wherever it was, goes on to the same bytes and the same report`, {
  timeout: 60_000 + 15_000 * KILLS,
}, async (context) => {
  const counting = faultAt("undisturbed", /./, 0, "kill");
  const undisturbed = await build("undisturbed", counting);
  assert.equal(undisturbed.status, 3, undisturbed.said);
  const operations = operationsIn(counting.fault!.log);
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
  for (let round = 0; kills < KILLS && round < 3 * KILLS; round++) {
    if (ONLY !== undefined && round !== Number(ONLY)) continue;
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
        disturbance = faultAt(out, PHASES[PHASE_NAMES[phase]!], at, act);
      }
      const ended = await build(out, disturbance);
      if (ended.status !== null) {
        assert.equal(ended.status, 3, `round ${round}, ${moment}: ${ended.said}`);
        break;
      }
      const phase = phaseOf(out, ended, began);
      phases.set(phase, (phases.get(phase) ?? 0) + 1);
      happened.push(`${moment} (${phase})`);
      kills++;
    }
    if (happened.length > 1) again++;
    const last = await build(out);
    const story = `round ${round} of seed ${SEED}: killed ${happened.join(", then ")}`;
    assert.equal(last.status, 3, `${story}: ${last.said}`);
    assertSameFiles(left(out), expected, story);
    assert.deepEqual(reportIn(last.printed), report, story);
    rmSync(join(folder, out), { recursive: true });
  }
  context.diagnostic(
    `${kills} kills, ${again} rounds with more than one; ${[...phases].map(([phase, count]) => `${phase} ${count}`).join(", ")}`,
  );
  if (ONLY !== undefined) return;
  assert.ok(kills >= KILLS, `only ${kills} kills`);
  assert.ok(again >= KILLS / 12, `only ${again} builds were killed twice`);
  assert.ok(phases.size >= Math.min(7, KILLS / 3), `kills struck only in ${[...phases.keys()]}`);
});
