/**
 * Whole pipelines as commands, ours and the peers', measured by wall and CPU time with their start taken off, repeats interleaved; and two of
 * our workers beside two threads of the control.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BuildOptions } from "../pipeline/index.ts";
import type { Corpus } from "./corpus.ts";
import { spin } from "./spin.ts";
import { median } from "./statistics.ts";

/** One command: how long, by wall and by CPU time, and what it said. */
export interface Run {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  readonly version: string;
  readonly tokens: number;
}

export interface Row {
  readonly setup: string;
  readonly tool: string;
  readonly version: string;
  readonly megabytes: number;
  /** Megabytes of UTF-8 text a second by wall and by CPU time, start taken off; medians. NaN where the start is nearly all of it. */
  readonly byWall: number;
  readonly byCpu: number;
  readonly startSeconds: number;
  /** What part of a run's CPU time its start was. */
  readonly startShare: number;
  readonly peakMegabytes: number;
  readonly tokens: number;
}

export interface Speedup {
  readonly setup: string;
  /** Of two workers over one by wall time: ours and the control, and the median of the quotients of each repeat. */
  readonly ours: number;
  readonly control: number;
  readonly quotient: number;
}

/** The rule sets of the set-up `rules`, in the order of judging. */
export const RULE_SETS = ["gopher-repetition", "gopher-quality", "c4-quality"];
/** Set-ups: our filters, and how many times a peer's rate is the goal. */
export const SETUPS: Readonly<
  Record<string, { readonly filters: readonly string[]; readonly goal: number }>
> = {
  classifier: { filters: ["ads"], goal: 25 },
  rules: { filters: ["ads", ...RULE_SETS], goal: 100 },
};
/** Peers and the virtual environment that has each. */
export const PEERS: Readonly<Record<string, string>> = { datatrove: "venv", dolma: "venv-dolma" };
/** A start is measured so often, and the shortest counts. */
const STARTS = 2;
/** What a run must take beyond its start, in starts, for its rate to say anything. */
const LEAST = 0.1;
/** A control that gains less from a second thread says that other work had the processors. */
const LEAST_CONTROL = 1.5;
const SPIN_ROUNDS = 1.5e9;
const OUR_PART = "headrace, peers' part, with its start";
const OUR_SHORT = "headrace, a short build";

/** What is built: ours, a short build of ours, and what the peers get. */
export interface Texts {
  readonly whole: Corpus;
  readonly short: Corpus;
  readonly part: Corpus;
}

/** What to measure with. */
export interface PipelineOptions {
  /** For outputs. */
  readonly folder: string;
  /** Few documents: what a command takes for them is its start. */
  readonly start: Corpus;
  readonly tools: readonly string[];
  readonly repeats: number;
  /** Folder of the peers' virtual environments and fastText model; empty: none. */
  readonly peers: string;
  /** LLaMA-2's tokenizer.json. */
  readonly tokenizer: string;
  /** Script that, given `--child OPTIONS`, runs one of our builds. */
  readonly child: string;
}

/** Runs everything of a set-up, repeats interleaved, and keeps rows and speed-ups. */
export class PipelineBench {
  readonly rows: Row[] = [];
  readonly speedups: Speedup[] = [];
  readonly left = new Map<string, string>();
  readonly #options: PipelineOptions;
  #outputs = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  async measure(
    setup: string,
    calibration: string,
    { whole, short, part }: Texts,
    two: boolean,
  ): Promise<void> {
    const folders: readonly Corpus[] = [whole, short];
    const ours = (corpus: Corpus, workers: number) => () =>
      this.#ours(setup, calibration, folders.includes(corpus) ? corpus.folder : fileOf(corpus), workers);
    const jobs = new Map<string, { readonly corpus: Corpus; run(corpus: Corpus): Run | string }>();
    for (const tool of this.#options.tools)
      if (tool === "headrace") {
        jobs.set(tool, { corpus: whole, run: (corpus) => ours(corpus, 1)() });
        jobs.set(OUR_SHORT, { corpus: short, run: (corpus) => ours(corpus, 1)() });
        jobs.set(OUR_PART, { corpus: part, run: (corpus) => ours(corpus, 1)() });
      } else jobs.set(tool, { corpus: part, run: (corpus) => this.#peer(tool, setup, corpus) });
    const starts = new Map<string, Run>();
    const runs = new Map<string, Run[]>();
    for (let time = 0; time < STARTS; time++)
      for (const [tool, { run }] of jobs) {
        if (this.left.has(tool)) continue;
        const one = run(this.#options.start);
        if (typeof one === "string") this.left.set(tool, one);
        else starts.set(tool, shorter(one, starts.get(tool)));
      }
    const speedups: { readonly ours: number; readonly control: number }[] = [];
    let startOfTwo: Run | undefined;
    for (let time = 0; two && starts.has("headrace") && time < STARTS; time++) {
      const one = ours(this.#options.start, 2)();
      if (typeof one !== "string") startOfTwo = shorter(one, startOfTwo);
    }
    for (let repeat = 0; repeat < this.#options.repeats; repeat++)
      for (const [tool, { corpus, run }] of jobs) {
        if (!starts.has(tool)) continue;
        const alone = tool === "headrace" && two ? await spin(1, SPIN_ROUNDS) : 0;
        const one = run(corpus);
        if (typeof one === "string") throw new Error(`${tool}, ${setup}: ${one}`);
        runs.set(tool, [...(runs.get(tool) ?? []), one]);
        if (tool !== "headrace" || startOfTwo === undefined) continue;
        const together = await spin(2, SPIN_ROUNDS);
        const both = ours(corpus, 2)();
        if (typeof both === "string") throw new Error(`headrace, ${setup}, two workers: ${both}`);
        const beyond = both.wallSeconds - startOfTwo.wallSeconds;
        const control = (2 * alone) / together;
        if (control < LEAST_CONTROL)
          this.left.set(
            `${setup}, two workers`,
            `the control itself gained ${control.toFixed(2)} x, so no second processor was free`,
          );
        else if (beyond > LEAST * startOfTwo.wallSeconds)
          speedups.push({
            ours: (one.wallSeconds - starts.get(tool)!.wallSeconds) / beyond,
            control,
          });
      }
    for (const [tool, of] of runs)
      this.rows.push(
        rowOf(
          setup,
          tool,
          jobs.get(tool)!.corpus.megabytes,
          this.#options.start.megabytes,
          starts.get(tool)!,
          of,
        ),
      );
    if (speedups.length > 0)
      this.speedups.push({
        setup,
        ours: median(speedups.map((one) => one.ours)),
        control: median(speedups.map((one) => one.control)),
        quotient: median(speedups.map((one) => one.ours / one.control)),
      });
  }

  #ours(setup: string, calibration: string, input: string, workers: number): Run | string {
    const options: BuildOptions = {
      inputs: [input],
      out: this.#out(),
      filters: SETUPS[setup]!.filters,
      calibration,
      workers,
    };
    return timed(process.execPath, [this.#options.child, "--child", JSON.stringify(options)], {
      NODE_COMPILE_CACHE: join(this.#options.folder, "compiled"),
    });
  }

  #peer(tool: string, setup: string, corpus: Corpus): Run | string {
    const venv = PEERS[tool];
    if (venv === undefined) throw new Error(`tool ${tool} is none of headrace,${Object.keys(PEERS).join()}`);
    const python = join(resolve(this.#options.peers), venv, "bin/python");
    if (this.#options.peers === "" || !existsSync(python))
      return `no ${venv}/bin/python in --peers ${this.#options.peers}`;
    const script = resolve(import.meta.dirname, "peer-build.py");
    return timed(python, [
      script,
      tool,
      setup,
      corpus.folder,
      this.#out(),
      resolve(this.#options.peers),
      this.#options.tokenizer,
    ]);
  }

  #out(): string {
    return join(this.#options.folder, `out-${this.#outputs++}`);
  }
}

function fileOf({ folder }: Corpus): string {
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".zst"))!);
}

/** Runs a command that prints a Run without its wall time; or why it failed. */
function timed(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Run | string {
  const started = performance.now();
  const run = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, ...environment },
  });
  const wallSeconds = (performance.now() - started) / 1000;
  if (run.status === 0)
    return {
      wallSeconds,
      ...(JSON.parse(run.stdout.trim().split("\n").at(-1)!) as Omit<Run, "wallSeconds">),
    };
  return run.error?.message ?? run.stderr.trim().split("\n").at(-1) ?? "no reason given";
}

/** The less, by wall and by CPU time each. */
function shorter(one: Run, other: Run | undefined): Run {
  if (other === undefined) return one;
  return {
    ...one,
    wallSeconds: Math.min(one.wallSeconds, other.wallSeconds),
    cpuSeconds: Math.min(one.cpuSeconds, other.cpuSeconds),
  };
}

function rowOf(
  setup: string,
  tool: string,
  megabytes: number,
  started: number,
  start: Run,
  runs: readonly Run[],
): Row {
  // The peers' part takes ours less than it takes to start, so that row keeps the start.
  const kept = tool === OUR_PART ? 1 : 0;
  const rate = (seconds: (run: Run) => number) => {
    const rates = runs.map((run) => {
      const beyond = seconds(run) - (1 - kept) * seconds(start);
      return beyond < LEAST * seconds(start) ? Number.NaN : (megabytes - (1 - kept) * started) / beyond;
    });
    return rates.some(Number.isNaN) ? Number.NaN : median(rates);
  };
  return {
    setup,
    tool,
    version: start.version,
    megabytes,
    byWall: rate((run) => run.wallSeconds),
    byCpu: rate((run) => run.cpuSeconds),
    startSeconds: start.wallSeconds,
    startShare: start.cpuSeconds / median(runs.map((run) => run.cpuSeconds)),
    peakMegabytes: Math.max(...runs.map((run) => run.peakMegabytes)),
    tokens: runs[0]!.tokens,
  };
}
