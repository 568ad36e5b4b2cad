/**
 * Inputs that go wrong: ours beside datatrove and dolma over fixtures/hazards, each hazard in a run of its own between two good files.
 * Writes the table of docs/hazards.md: documents kept, what was said of the rest, and the exit status.
 *
 *   node bench/hazards.ts --peers DIR [--tools NAME,...] [--only FILE,...] [--seconds 30] [--results FOLDER] [--out FILE]
 *
 * Peers are looked for in DIR/venv (datatrove) and DIR/venv-dolma. With --results what a tool did is kept there as JSON, and a tool that
 * has its file there is not run again. Takes about ten minutes in all.
 */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Hazard, ordinarily, readHazards, stageGood, stageHazard } from "../fixtures/hazards/stage.ts";
import { loadTokenizer } from "../pipeline/index.ts";
import { openShard, readManifest } from "../shards/index.ts";
import { type Outcome, page } from "./hazard-page.ts";

const ROOT = resolve(import.meta.dirname, "..");
const TOKENIZER = join(ROOT, "fixtures/tokenizer/byte-level/gpt-2.json");
/** Good tables to lie beside a hazard that is one, with 40 documents each: line files get files of three. */
const TABLES = join(ROOT, "fixtures/parquet/files");
const READS_TABLES: Readonly<Record<string, boolean>> = { headrace: true, datatrove: true, dolma: false };
const VENVS: Readonly<Record<string, string>> = { datatrove: "venv", dolma: "venv-dolma" };
const GOOD_TABLE = { parquet: "snappy-v1-dictionary.parquet", arrow: "file.arrow" } as const;
/** Texts are compared by their start: what a tool makes of 200 MB need not be kept. */
const SHORT = 100;
const short = (text: string) =>
  Array.from(text.slice(0, 2 * SHORT))
    .slice(0, SHORT)
    .join("");
/** Lines in which a tool complains, and those that are about something else. */
const COMPLAINT =
  /\b(warn|warning|exception|traceback|panicked)\b|error|^(quarantined|not read:|note:) |"reason"/i;
const NOISE = /\bINFO\b|nltk|omegaconf|register_new_resolver/;

const { values } = parseArgs({
  options: {
    peers: { type: "string", default: process.env["HEADRACE_PEERS"] ?? "" },
    tools: { type: "string", default: "headrace,datatrove,dolma" },
    only: { type: "string" },
    seconds: { type: "string", default: "30" },
    results: { type: "string" },
    out: { type: "string", default: join(ROOT, "docs/hazards.md") },
  },
});

/** What a tool did with the folder of one hazard. */
interface Run {
  readonly file: string;
  /** Null: it had to be stopped. */
  readonly status: number | null;
  readonly texts: readonly string[];
  readonly said: string;
}

interface ToolRuns {
  readonly tool: string;
  readonly version: string;
  readonly runs: readonly Run[];
}

const only = values.only?.split(",");
const hazards = readHazards().filter(({ file }) => only === undefined || only.includes(file));
/** Folders have numbers for names, so that a tool that names the hazard has named the file. */
const folders = new Map(
  hazards.map((hazard, i) => [hazard.file, `${String(i).padStart(3, "0")}-${familyOf(hazard)}`]),
);
const scratch = mkdtempSync(join(tmpdir(), "headrace-bench-"));
try {
  const good = new Map(hazards.map((hazard) => [hazard.file, stage(hazard)]));
  const tools: ToolRuns[] = [];
  for (const tool of values.tools.split(","))
    tools.push(await resultsOf(tool, () => (tool === "headrace" ? ours() : theirs(tool))));
  const outcomes = tools.map(({ tool, version, runs }) => ({
    tool,
    version,
    outcomes: new Map(
      hazards.map((hazard) => [
        hazard.file,
        READS_TABLES[tool] || familyOf(hazard) === "lines"
          ? outcomeOf(hazard, good.get(hazard.file)!, runs.find(({ file }) => file === hazard.file)!)
          : null,
      ]),
    ),
  }));
  writeFileSync(values.out, page(hazards, outcomes, new Date().toISOString().slice(0, 10)));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** A folder for a hazard between good files of its kind. Returns the texts of the good files. */
function stage(hazard: Hazard): readonly string[] {
  // The one folder names the domain for headrace, the other is where dolma looks.
  const documents = join(scratch, "in", folders.get(hazard.file)!, "c4/documents");
  mkdirSync(documents, { recursive: true });
  const family = familyOf(hazard);
  const texts: string[] = [];
  for (const name of ["0-good", "zz-good"])
    if (family === "lines") texts.push(...stageGood(join(documents, `${name}.jsonl`)));
    else {
      copyFileSync(join(TABLES, GOOD_TABLE[family]), join(documents, `${name}.${family}`));
      texts.push(...tableTexts());
    }
  stageHazard(hazard, documents);
  return texts;
}

/** Which reader other tools need for a file of this name. */
function familyOf({ file }: Hazard): "lines" | "parquet" | "arrow" {
  const ending = file.split(".").at(-1);
  return ending === "parquet" || ending === "arrow" ? ending : "lines";
}

function tableTexts(): readonly string[] {
  return readFileSync(join(TABLES, "corpus.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly text: string }).text);
}

async function resultsOf(tool: string, run: () => ToolRuns | Promise<ToolRuns>): Promise<ToolRuns> {
  const path = values.results === undefined ? undefined : join(values.results, `${tool}.json`);
  if (path !== undefined && existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as ToolRuns;
  const results = await run();
  if (path !== undefined) writeFileSync(path, JSON.stringify(results));
  return results;
}

/** Every folder through `headrace build`. */
async function ours(): Promise<ToolRuns> {
  const runs: Run[] = [];
  for (const [file, folder] of folders) {
    const out = join(scratch, "out", folder);
    const flags = ["--tokenizer", TOKENIZER, "--no-bos", "--validation-tokens", "0", "--workers", "1"];
    const command = ordinarily(process.execPath, join(ROOT, "scripts/headrace.ts"), "build");
    const build = spawnSync(
      command[0]!,
      [...command.slice(1), join(scratch, "in", folder), "--out", out, ...flags],
      {
        encoding: "utf8",
        timeout: 1000 * Number(values.seconds),
      },
    );
    const named = ["quarantine.jsonl", "incidents.jsonl"].map((name) => join(out, name)).filter(existsSync);
    const said = [build.stderr, ...named.map((path) => readFileSync(path, "utf8"))].join("\n");
    runs.push({
      file,
      status: build.status,
      texts: build.status === 0 || build.status === 3 ? await textsOf(out) : [],
      said,
    });
  }
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  return { tool: "headrace", version, runs };
}

/** Texts of the train split, from their tokens. */
async function textsOf(out: string): Promise<readonly string[]> {
  const tokenizer = await loadTokenizer(TOKENIZER);
  const texts: string[] = [];
  for (const { path } of (await readManifest(out)).shards) {
    const reader = openShard(join(out, path));
    for (const i of reader.batches.keys()) {
      const { documents, offsets, tokens } = reader.readBatch(i);
      for (let d = 0; d < documents; d++)
        texts.push(short(tokenizer.decode(tokens.subarray(offsets[d], offsets[d + 1]))));
    }
    reader.close();
  }
  return texts;
}

/** Every folder through another tool. */
function theirs(tool: string): ToolRuns {
  const venv = VENVS[tool];
  const python = join(values.peers, venv ?? "", "bin/python");
  if (venv === undefined || !existsSync(python)) throw new Error(`${tool}: no ${python}; name --peers DIR`);
  const script = join(import.meta.dirname, "peer-hazards.py");
  const [command, ...rest] = ordinarily(
    python,
    script,
    tool,
    join(scratch, "in"),
    join(scratch, tool),
    values.seconds,
  );
  const run = spawnSync(command!, rest, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, PYTHONWARNINGS: "ignore" },
  });
  if (run.status !== 0) throw new Error(`${tool}: ${run.stderr.trim().split("\n").at(-1)}`);
  const [head, ...rows] = run.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const files = new Map([...folders].map(([file, folder]) => [folder, file]));
  return { ...head, runs: rows.map(({ folder, ...row }) => ({ ...row, file: files.get(folder)! })) };
}

/** What a run came to: good documents kept of how many, others that came out too, and what was said of the file. */
function outcomeOf(hazard: Hazard, good: readonly string[], run: Run): Outcome {
  const expected = [...good, ...hazard.kept.map(({ text }) => text)].map(short);
  const left = [...run.texts];
  let kept = 0;
  for (const text of expected) {
    const at = left.indexOf(text);
    if (at < 0) continue;
    left.splice(at, 1);
    kept++;
  }
  const complaints = run.said.split("\n").filter((line) => COMPLAINT.test(line) && !NOISE.test(line));
  const names = run.said.split("\n").some((line) => !NOISE.test(line) && line.includes(hazard.file));
  const said = complaints.length === 0 ? "silent" : names ? "named" : "unnamed";
  const due = hazard.quarantined.length + hazard.incidents.length > 0;
  return { good: expected.length, kept, others: left.length, due, said, status: run.status };
}
