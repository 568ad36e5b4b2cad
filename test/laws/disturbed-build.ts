/**
 * A small build with something of everything, the phases that it goes through, and all that it leaves: for the laws about builds that are
 * killed and builds whose disk fails.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashOf } from "../../core/hash.ts";
import { ledgerSummary } from "../../pipeline/index.ts";
import { lineOf, textOf, tree, writeCorpus, writeFile } from "../pipeline/corpus.ts";
import { formFile } from "../pipeline/tokenizer/byte-level-forms.ts";
import { type Disturbance, type Ended, run } from "./disturbed.ts";
import type { Fault } from "./faults.ts";

/** The phases of a build, in order, with the operations on files that only they do. */
export const PHASES = {
  claim:
    /^(mkdir|open|write|sync|close|rename|link|unlink) \.build\/(lock|\.?build\.json)|^rm [a-z]+(\.jsonl?)?$/,
  calibration: /^\w+ \.build\/\.?calibration-/,
  scan: /^\w+ \.build\/scans(\/|$)/,
  tasks: /^(mkdir|open|write|sync|close|rename) \.build\/tasks\//,
  compaction: /^(mkdir|open|write|sync|close|rename) (train|validation|dropped)\//,
  finish:
    /^(mkdir|open|write|sync|close|rename) (scores\/|\.?(quarantine|incidents|gap|calibration|origin)\.|\.build\/\.?notes)/,
  commit:
    /^(open|write|sync|close|rename) \.?manifest\.json|^rm \.build\/tasks\/.*(kept|dropped|scores\.arrow)$/,
} as const;
export type Phase = keyof typeof PHASES;
export const PHASE_NAMES = Object.keys(PHASES) as readonly Phase[];

/** The corpus of `disturbedBuilds`, under its folder. */
export const CORPUS = "in";

/** The exit status of the build: some of its input cannot be read. */
export const STATUS = 3;

/** Builds of one corpus into folders under `folder`. */
export function disturbedBuilds(folder: string) {
  const corpus = join(folder, CORPUS);
  writeCorpus(corpus, 5, 60);
  // A file that is cut, and records that are no documents: a quarantine and incidents to get right as well.
  const cut = readFileSync(join(corpus, "example_train_4.jsonl.zst"));
  writeFileSync(join(corpus, "example_train_4.jsonl.zst"), cut.subarray(0, cut.length - 9));
  // A file that is cut for several workers.
  const lines = Array.from({ length: 90 }, (_, i) => lineOf(textOf(i, 60), "RedPajamaGithub"));
  writeFile(join(corpus, "big.jsonl"), lines.join(""));
  writeFile(join(corpus, "zz.jsonl"), `not json\n{"text":""}\n${lineOf("a document", "RedPajamaBook")}`);
  const options = [
    ...["--drop", "gopher-repetition=0.3:documents,fineweb-quality=0.2:documents"],
    ...["--tokenizer", formFile("smollm-2"), "--no-bos", "--eos", "--section-records", "40"],
    ...["--task-size", "15kB"],
  ];
  return {
    build: (out: string, disturbance: Disturbance = {}): Promise<Ended> =>
      run(["build", corpus, "--out", join(folder, out), "--workers", "2", "--json", ...options], disturbance),

    /**
     * Hashes of all that a build leaves but for the SQLite ledger, which says what was reused and when; its totals are compared instead.
     * Of a build that is not finished, what there is.
     */
    left(out: string): Readonly<Record<string, string>> {
      const dir = join(folder, out);
      const { "ledger.sqlite": ledger, ...build } = tree(join(dir, ".build"));
      return {
        ...tree(dir),
        ...Object.fromEntries(Object.entries(build).map(([name, hash]) => [`.build/${name}`, hash])),
        ...(ledger !== undefined && { "the ledger": hashOf(ledgerSummary(join(dir, ".build"))) }),
      };
    },

    /** A fault at an operation of a build on its output. */
    faultAt: (out: string, pattern: RegExp, at: number, act: Fault["act"]): Fault => ({
      root: join(folder, out),
      pattern: pattern.source,
      at,
      act,
      log: join(folder, `${out}.log`),
    }),
  };
}
