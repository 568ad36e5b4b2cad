/**
 * The build beside other projects' pipelines: `.jsonl.zst` in, token shards out, one worker each, in two set-ups: `classifier` (reading, one
 * classifier, tokenizing) and `rules` (the same with the rule sets of Gopher and C4). Then two workers beside a loop that needs no memory, the
 * parts of our build by themselves, and what the rate means for 627 B tokens. One run; repeats are interleaved; verdicts go by CPU time.
 *
 *   node bench/build.ts [--setups classifier,rules] [--tools headrace,datatrove,dolma] [--repeats 1] [--copies 24] [--parts 2,0.25]
 *                       [--peers DIR] [--tokenizer FILE] [--skip workers,stages] [--json]
 *
 * Text: --copies copies of the shared sample (../shared or $HEADRACE_SHARED), 9.8 MB each, all but the first with new words in them, so that no
 * cache has seen the text: 236 MB, three copies a file. That is the build that verdicts go by; a row says what the first six copies alone do, and one what
 * the peers' part does with ours, its start included. Peers get --parts copies (a number for each set-up; below 1 every so-manieth document): their rates do not grow with it.
 * What a run pays once (process, imports, models, tokenizer) is measured on few documents with the same command and taken off, wall and
 * CPU, for every tool (ours keeps compiled code between runs, as the command does); the table says what share of the run that was. Ours keeps its compiler's warming up. Calibration is made before. DIR (or $HEADRACE_PEERS) holds the peers' virtual
 * environments (venv: datatrove 0.10.1, venv-dolma: dolma 1.2.1) and ft/small.bin, a fastText model; FILE is LLaMA-2's tokenizer.json.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, build } from "../pipeline/index.ts";
import { calibrateBuild } from "./calibration.ts";
import { type Corpus, writeCopies, writePart } from "./corpus.ts";
import { PEERS, PipelineBench, type Row, RULE_SETS, type Run, SETUPS, type Speedup } from "./pipelines.ts";
import { measureStages, type Stage } from "./stages.ts";
import { verdict } from "./statistics.ts";
import { corpusFiles, recordsOf, shared } from "./texts.ts";

/** Copies of the sample that are enough to start everything, that a file of ours has, and that make a short build. */
const START_COPIES = 1 / 400;
const FILE_COPIES = 3;
const SHORT_COPIES = 6;
/** SlimPajama with LLaMA's tokenizer: 627 B tokens (its dataset card). */
const CORPUS_TOKENS = 627e9;
const CORES = 64;
const { values } = parseArgs({
  options: {
    setups: { type: "string", default: Object.keys(SETUPS).join() },
    tools: { type: "string", default: ["headrace", ...Object.keys(PEERS)].join() },
    repeats: { type: "string", default: "1" },
    copies: { type: "string", default: "24" },
    parts: { type: "string", default: "2,0.25" },
    peers: { type: "string", default: process.env["HEADRACE_PEERS"] ?? "" },
    tokenizer: { type: "string", default: join(shared, "data/redpajama-sample/tokenizer.json") },
    skip: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    child: { type: "string" },
    stages: { type: "string" },
  },
});

if (values.child !== undefined) await buildHere(JSON.parse(values.child) as BuildOptions);
else if (values.stages !== undefined)
  console.log(JSON.stringify(await measureStages(values.stages, RULE_SETS)));
else await compare();

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    const records = corpusFiles().flatMap(recordsOf);
    const setups = values.setups.split(",");
    const unknown = setups.find((setup) => SETUPS[setup] === undefined);
    if (unknown !== undefined) throw new Error(`set-up ${unknown} is none of ${Object.keys(SETUPS).join()}`);
    const whole = writeCopies(join(folder, "whole"), records, Number(values.copies), FILE_COPIES);
    const short = writeCopies(join(folder, "short"), records, SHORT_COPIES, FILE_COPIES);
    const start = writePart(join(folder, "start"), records, START_COPIES);
    const parts = values.parts.split(",").map(Number);
    const bench = new PipelineBench({
      folder,
      start,
      tools: values.tools.split(","),
      repeats: Number(values.repeats),
      peers: values.peers,
      tokenizer: values.tokenizer,
      child: import.meta.filename,
    });
    const skip = values.skip.split(",");
    for (const [i, setup] of setups.entries()) {
      const part = writePart(join(folder, `part-${setup}`), records, parts[i % parts.length]!);
      const calibration = await calibrateBuild(
        join(folder, `${setup}.json`),
        whole.folder,
        SETUPS[setup]!.filters,
      );
      await bench.measure(setup, calibration, { whole, short, part }, !skip.includes("workers"));
    }
    const stages = skip.includes("stages") ? [] : stagesOf(short.folder);
    print(bench, stages, short);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The child's part: one build, and what it cost this process. */
async function buildHere(options: BuildOptions): Promise<void> {
  const { tokens } = await build(options);
  const { user, system } = process.cpuUsage();
  const run: Omit<Run, "wallSeconds"> = {
    version: process.version,
    cpuSeconds: (user + system) / 1e6,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    tokens: tokens.kept + tokens.heldOut + tokens.dropped + tokens.gap,
  };
  console.log(JSON.stringify(run));
}

function stagesOf(input: string): readonly Stage[] {
  const run = spawnSync(process.execPath, [import.meta.filename, "--stages", input], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as readonly Stage[];
}

/** What 627 B tokens take on 64 cores at the rate of `row`, each core as efficient as the second one here. */
function extrapolated(row: Row, speedups: readonly Speedup[]) {
  const bytesAToken = (row.megabytes * 1e6) / row.tokens;
  const measured = speedups.find(({ setup }) => setup === row.setup)?.quotient;
  const efficiency = Math.min(1, measured ?? 1);
  const megabytes = (CORPUS_TOKENS * bytesAToken) / 1e6;
  const hours = megabytes / (row.byCpu * CORES * efficiency) / 3600;
  return {
    setup: row.setup,
    bytesAToken,
    efficiency,
    efficiencyMeasured: measured !== undefined,
    hours,
    readGigabytesASecond: megabytes / 1000 / (hours * 3600),
  };
}

function verdictsOf({ rows, speedups }: PipelineBench): readonly string[] {
  const lines = rows.flatMap((row) => {
    const ours = rows.find(({ setup, tool }) => setup === row.setup && tool === "headrace");
    if (ours === undefined || PEERS[row.tool] === undefined) return [];
    const what = `${row.setup} against ${row.tool}`;
    const byWall = ours.byWall / row.byWall;
    const byCpu = ours.byCpu / row.byCpu;
    if (Number.isNaN(byCpu + byWall))
      return [
        `not measured: ${what}: a run took little more than its start; give it more with --parts, --copies`,
      ];
    return [verdict(what, SETUPS[row.setup]!.goal, byWall, byCpu)];
  });
  for (const { setup, ours, control, quotient } of speedups)
    lines.push(
      `${quotient >= 0.9 ? "met" : "MISSED"}: ${setup}, two workers: goal 0.9 of the control's speed-up, measured ${quotient.toFixed(2)} (ours ${ours.toFixed(2)} x, control ${control.toFixed(2)} x, by wall)`,
    );
  return lines;
}

function print(bench: PipelineBench, stages: readonly Stage[], staged: Corpus): void {
  const { rows, speedups, left } = bench;
  const verdicts = verdictsOf(bench);
  const estimates = rows.filter(({ tool }) => tool === "headrace").map((row) => extrapolated(row, speedups));
  if (values.json) {
    console.log(
      JSON.stringify({
        node: process.version,
        rows,
        speedups,
        stages,
        estimates,
        verdicts,
        left: Object.fromEntries(left),
      }),
    );
    return;
  }
  console.log(`.jsonl.zst to token shards, one worker, start taken off; ${process.version}`);
  console.log(
    table([
      [
        "set-up",
        "tool",
        "text MB",
        "MB/s (by CPU)",
        "ours/theirs by CPU",
        "start s (% of CPU)",
        "peak MB",
        "tokens",
      ],
      ...rows.map((row) => {
        const ours = rows.find(({ setup, tool }) => setup === row.setup && tool === "headrace");
        return [
          row.setup,
          `${row.tool} ${row.tool in PEERS ? row.version : ""}`.trim(),
          row.megabytes.toFixed(1),
          `${row.byWall.toFixed(2)} (${row.byCpu.toFixed(2)})`,
          ours === undefined || row.tool.startsWith("headrace") ? "" : (ours.byCpu / row.byCpu).toFixed(1),
          `${row.startSeconds.toFixed(2)} (${(100 * row.startShare).toFixed(0)} %)`,
          row.peakMegabytes.toFixed(0),
          String(row.tokens),
        ];
      }),
    ]),
  );
  for (const [tool, reason] of left) console.log(`left out: ${tool}: ${reason}`);
  if (stages.length > 0) {
    console.log(`\nour parts by themselves, ${staged.megabytes.toFixed(1)} MB of text, one thread`);
    const rate = (seconds: number) => (staged.megabytes / seconds).toFixed(1);
    console.log(
      table([
        ["part", "MB/s (by CPU)", "seconds of CPU"],
        ...stages.map((one) => [
          one.name,
          `${rate(one.wallSeconds)} (${rate(one.cpuSeconds)})`,
          one.cpuSeconds.toFixed(2),
        ]),
      ]),
    );
  }
  console.log();
  for (const { setup, bytesAToken, efficiency, efficiencyMeasured, hours, readGigabytesASecond } of estimates)
    console.log(
      `${setup}: 627 B tokens on ${CORES} cores like this one: ${(hours * 60).toFixed(0)} minutes; assumes ${bytesAToken.toFixed(2)} bytes a token as here, ${(efficiency * 100).toFixed(0)} % of ${CORES} cores' work (${efficiencyMeasured ? "two workers here against the control" : "not measured"}), and disks that give the ${readGigabytesASecond.toFixed(1)} GB/s of text, compressed about a third of it`,
    );
  for (const line of verdicts) console.log(line);
}

/** Columns, the first two to the left. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          (i < 2 && row.length > 3) || i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
        )
        .join("  "),
    )
    .join("\n");
}
