/**
 * What `npm start` runs: the whole loop on the fixture corpus, with the same functions as the commands. Each step prints the command
 * that does it. Everything lies in `.headrace/`, which may be deleted. Not part of the package: the corpus comes from development packages.
 */
import { rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { makeFixtureCorpus } from "../fixtures/corpus/corpus.ts";
import { build } from "../pipeline/index.ts";
import { verifyReplay } from "../samplers/index.ts";
import { measureReference, train } from "../trainer/index.ts";
import { buildProgress } from "./build.ts";
import { printBuildReport } from "./build-report.ts";
import { duration, grouped, Progress, percent, say, size } from "./display.ts";
import { printReplayReport } from "./replay.ts";
import { printTrainReport, showProgress } from "./train.ts";

const ROOT = resolve(import.meta.dirname, "..");
const FOLDER = join(ROOT, ".headrace");
const corpus = join(FOLDER, "corpus");
const shards = join(FOLDER, "shards");
const run = join(FOLDER, "run");
const reference = join(FOLDER, "reference.json");

const DROP = "ads=0.5:documents,fluency=0.15:documents";
/** Rows of 512 tokens, 64 a batch: 32,768 tokens, so that a run of 4 M tokens is re-weighted nine times. */
const SHAPE = { rowTokens: 512, batchRows: 64, seed: 1 } as const;
const TOKENS = 4_000_000;
const EVERY = 400_000;

async function demo(): Promise<void> {
  const started = performance.now();
  for (const path of [shards, run, `${run}-reference`, reference])
    rmSync(path, { recursive: true, force: true });

  heading(
    "1. A corpus of real text in SlimPajama's form, from installed packages",
    `node fixtures/corpus/make.ts ${shown(corpus)}`,
  );
  const made = makeFixtureCorpus(corpus);
  say(
    `${grouped(made.documents)} documents, ${size(made.bytes)} of text in ${Object.keys(made.domains).length} domains; licences in ${shown(corpus)}/LICENCES.md`,
  );

  heading(
    "2. Filtered Arrow shards",
    `headrace build ${shown(corpus)}/train --out ${shown(shards)} --drop ${DROP}`,
  );
  const progress = new Progress("build");
  const built = await build({
    inputs: [join(corpus, "train")],
    out: shards,
    drop: DROP,
    onProgress: buildProgress(progress),
  });
  progress.end();
  printBuildReport(built);

  heading(
    "3. Reference losses of a model trained on a fixed mix",
    `headrace reference ${shown(shards)} --out ${shown(reference)} --tokens 4M --policy llama --row 512 --batch 64 --seed 1`,
  );
  const measuring = new Progress("reference");
  const measured = await measureReference({
    shards,
    out: reference,
    trainer: "embedded",
    evaluation: { rowTokens: SHAPE.rowTokens },
    train: {
      ...SHAPE,
      out: `${run}-reference`,
      policy: "llama",
      tokens: TOKENS,
      onProgress: showProgress(measuring),
    },
  });
  measuring.end();
  say(
    Object.entries(measured.losses)
      .map(([domain, loss]) => `${domain} ${loss.toFixed(3)}`)
      .join(", "),
  );

  heading(
    "4. A trainer whose losses move the weights",
    `headrace train ${shown(shards)} --out ${shown(run)} --policy dynamic-uniform --reference ${shown(reference)} --tokens 4M --every 400k --row 512 --batch 64 --seed 1`,
  );
  const training = new Progress("train");
  const trained = await train({
    ...SHAPE,
    shards,
    out: run,
    trainer: "embedded",
    policy: "dynamic-uniform",
    reference,
    tokens: TOKENS,
    everyTokens: EVERY,
    exhaustion: { policy: "repeat", epochs: 4 },
    onProgress: showProgress(training),
  });
  training.end();
  printTrainReport(trained);

  heading("5. Proof that the run can be served again", `headrace replay ${shown(run)} --verify`);
  const replayed = await verifyReplay(run, shards);

  const dropped = Object.entries(built.dropped);
  say();
  say(`read       ${grouped(built.read)} documents in ${Object.keys(built.domains).length} domains`);
  say(
    `dropped    ${dropped.map(([filter, n]) => `${grouped(n)} by ${filter}`).join(", ")}, ${percent(dropped.reduce((sum, [, n]) => sum + n, 0) / built.read)} of all`,
  );
  say(
    `kept       ${grouped(built.kept)} documents, ${grouped(built.tokens.kept)} tokens to train on, ${grouped(built.tokens.heldOut)} held out`,
  );
  say(
    `trained    ${grouped(trained.tokens)} tokens in ${trained.stages.length} stages at ${grouped(Math.round(trained.tokensPerSecond))} tokens/s`,
  );
  say(`shards     ${shown(shards)}`);
  say(`run        ${shown(run)}`);
  printReplayReport(replayed);
  say(`all of it in ${duration((performance.now() - started) / 1000)}`);
  if (!replayed.identical) process.exitCode = 1;
}

function heading(title: string, command: string): void {
  say();
  say(title);
  say(`  ${command}`);
}

/** A path as a person in the checkout types it. */
function shown(path: string): string {
  return relative(ROOT, path);
}

demo().catch((error) => {
  say(
    `headrace: ${error instanceof Error && error.name === "HeadraceError" ? String(error) : ((error as Error).stack ?? error)}`,
  );
  process.exitCode = 1;
});
