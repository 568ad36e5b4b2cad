/**
 * Memory of a build while it reads: the resident set of the whole process, workers included, sampled 20 times a second, with one worker and
 * with two, over gigabytes of `.jsonl.zst`; and the peak of a build of the first file alone.
 *
 *   node bench/memory.ts [--copies 21] [--per-file 7] [--times 10] [--workers 1,2] [--filters ads,fluency] [--svg docs/memory.svg] [--json]
 *
 * Text: --copies varied copies of the shared sample (../shared or $HEADRACE_SHARED), 9.8 MB each, --per-file of them a file, and every file
 * --times times: far more different words than the tokenizer's cache has places before anything comes again. Compiled code is kept between the builds,
 * so that all but the first run what the package has, without the stripping of types. Linux only: it reads /proc.
 */
import { fork } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, build } from "../pipeline/index.ts";
import { calibrateBuild } from "./calibration.ts";
import { type Chart, drawChart } from "./chart.ts";
import { writeCopies } from "./corpus.ts";
import { corpusFiles, recordsOf } from "./texts.ts";

interface Watched {
  readonly workers: number;
  readonly textMegabytes: number;
  readonly seconds: number;
  /** The kernel's own mark of the highest. */
  readonly peakMegabytes: number;
  /** Highest resident set in the first and in the last quarter of the input. */
  readonly firstQuarter: number;
  readonly lastQuarter: number;
  readonly points: readonly (readonly [textMegabytes: number, residentMegabytes: number])[];
}

const GOAL_MEGABYTES = 400;
/** What counts as flat: the last quarter's peak over the first one's. */
const FLAT = 1.1;
const EVERY_MS = 50;
const SHOWN_POINTS = 300;
const COLORS = ["#2468b4", "#e08214", "#3a8f4d", "#7b4ea3"];

const { values } = parseArgs({
  options: {
    copies: { type: "string", default: "21" },
    "per-file": { type: "string", default: "7" },
    times: { type: "string", default: "10" },
    workers: { type: "string", default: "1,2" },
    filters: { type: "string", default: "ads,fluency" },
    svg: { type: "string" },
    json: { type: "boolean", default: false },
    child: { type: "string" },
  },
});

if (values.child === undefined) await measure();
else
  await build({
    ...(JSON.parse(values.child) as BuildOptions),
    onProgress: ({ phase, bytes }) => process.send?.(phase === "read" ? bytes : null),
  });

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "headrace-memory-"));
  try {
    const records = corpusFiles().flatMap(recordsOf);
    const whole = writeCopies(
      join(folder, "whole"),
      records,
      Number(values.copies),
      Number(values["per-file"]),
    );
    const filters = values.filters.split(",");
    const different = readdirSync(whole.folder);
    const first = join(whole.folder, different[0]!);
    const times = Number(values.times);
    for (let time = 1; time < times; time++)
      for (const name of different) linkSync(join(whole.folder, name), join(whole.folder, `${time}-${name}`));
    const files = different.length * times;
    const calibration = await calibrateBuild(join(folder, "calibration.json"), first, filters);
    const watch = (input: string, workers: number, textMegabytes: number) => {
      const out = join(folder, "out");
      rmSync(out, { recursive: true, force: true });
      return watchBuild({ inputs: [input], out, filters, calibration, workers }, textMegabytes);
    };
    const some = (whole.megabytes * Number(values["per-file"])) / Number(values.copies);
    const runs: Watched[] = [];
    const small: Watched[] = [];
    for (const workers of values.workers.split(",").map(Number)) {
      small.push(await watch(first, workers, some));
      runs.push(await watch(whole.folder, workers, whole.megabytes * times));
    }
    if (values.svg !== undefined) writeChart(values.svg, chartOf(runs, files));
    print(runs, small, files);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a build in a process of its own and samples it. Throws where it fails. */
function watchBuild(options: BuildOptions, textMegabytes: number): Promise<Watched> {
  const child = fork(import.meta.filename, ["--child", JSON.stringify(options)], {
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(options.out), "compiled") },
  });
  const started = performance.now();
  const stored = storedBytes(options.inputs[0]!);
  const points: [number, number][] = [];
  let read = 0;
  let peak = 0;
  child.on("message", (bytes: number | null) => {
    read = bytes ?? stored;
  });
  const timer = setInterval(() => {
    const status = statusOf(child.pid!);
    if (status === null) return;
    peak = Math.max(peak, status.highest);
    points.push([(read / stored) * textMegabytes, status.resident]);
  }, EVERY_MS);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      clearInterval(timer);
      if (code !== 0) reject(new Error(`the build ended with code ${code}`));
      const highest = (from: number, to: number) =>
        Math.max(
          ...points
            .filter(([x]) => x >= from * textMegabytes && x <= to * textMegabytes)
            .map(([, resident]) => resident),
        );
      resolve({
        workers: options.workers!,
        textMegabytes,
        seconds: (performance.now() - started) / 1000,
        peakMegabytes: peak,
        firstQuarter: highest(0, 0.25),
        lastQuarter: highest(0.75, 1),
        points,
      });
    });
  });
}

function storedBytes(input: string): number {
  const files = input.endsWith(".zst") ? [input] : readdirSync(input).map((name) => join(input, name));
  return files.reduce((sum, file) => sum + readFileSync(file).length, 0);
}

/** Resident set now and at its highest, in megabytes (1e6); null where the process is gone. */
function statusOf(pid: number): { readonly resident: number; readonly highest: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string) =>
      (Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) * 1024) / 1e6;
    const highest = field("VmHWM");
    return Number.isNaN(highest) ? null : { resident: field("VmRSS"), highest };
  } catch {
    return null;
  }
}

/** The highest of each stretch of points, so that no peak is lost in the drawing. */
function thinned(points: Watched["points"]): Watched["points"] {
  const size = Math.max(1, Math.ceil(points.length / SHOWN_POINTS));
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) =>
    points.slice(i * size, (i + 1) * size).reduce((a, b) => (b[1] > a[1] ? b : a)),
  ).toSorted(([a], [b]) => a - b);
}

function chartOf(runs: readonly Watched[], files: number): Chart {
  const end = Math.max(...runs.map(({ textMegabytes }) => textMegabytes)) / 1000;
  const top = 100 * Math.ceil(Math.max(...runs.map(({ peakMegabytes }) => peakMegabytes)) / 100);
  return {
    title: `Memory of a build, ${files} .jsonl.zst files, Node ${process.version}`,
    x: { label: "text read, GB", end, step: end > 1 ? 0.5 : 0.1 },
    y: { label: "resident set of the process, MB", end: Math.max(GOAL_MEGABYTES + 100, top), step: 100 },
    level: { at: GOAL_MEGABYTES, name: `goal: ${GOAL_MEGABYTES} MB` },
    series: runs.map(({ workers, peakMegabytes, points }, i) => ({
      name: `${workers} worker${workers === 1 ? "" : "s"}: peak ${peakMegabytes.toFixed(0)} MB`,
      color: COLORS[i % COLORS.length]!,
      points: thinned(points.map(([x, y]) => [x / 1000, y] as const)),
    })),
  };
}

function writeChart(path: string, chart: Chart): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, drawChart(chart));
}

function print(runs: readonly Watched[], small: readonly Watched[], files: number): void {
  const verdicts = runs.map(({ workers, peakMegabytes, firstQuarter, lastQuarter }) => {
    const growth = lastQuarter / firstQuarter;
    const met = peakMegabytes < GOAL_MEGABYTES && growth <= FLAT;
    return `${met ? "met" : "MISSED"}: ${workers} worker(s): goal under ${GOAL_MEGABYTES} MB and flat, measured ${peakMegabytes.toFixed(0)} MB, last quarter's peak ${growth.toFixed(2)} x the first's`;
  });
  if (values.json) {
    console.log(JSON.stringify({ node: process.version, files, runs, small, verdicts }));
    return;
  }
  console.log(`memory of a build, ${files} files, ${availableParallelism()} processors, ${process.version}`);
  for (const run of [...small, ...runs])
    console.log(
      `${run.workers} worker(s), ${run.textMegabytes.toFixed(0)} MB of text: peak ${run.peakMegabytes.toFixed(0)} MB; first quarter ${run.firstQuarter.toFixed(0)}, last ${run.lastQuarter.toFixed(0)} MB; ${run.seconds.toFixed(0)} s`,
    );
  for (const line of verdicts) console.log(line);
}
