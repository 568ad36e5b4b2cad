/**
 * Rows of 4,096 tokens in domain weights, from the page cache: our samplers in Python and in TypeScript beside other projects' loaders and beside
 * a bare memmap, in one run. Rate, first row, resume at 10, 50 and 90 %, size of the state, and how far the mixture strays at batch ends.
 *
 *   node bench/sampler.ts --peers DIR [--engines headrace,memmap,...] [--repeats 3] [--python FILE] [--json]
 *
 * Every engine gives 8,000 rows in batches of 8, in the weights of Sheared-LLaMA over seven domains, one process an engine and repeat, repeats
 * interleaved; `-2` is with two DataLoader workers, and then the CPU time of the giving process says little: verdicts of those go by wall.
 * DIR (or $HEADRACE_PEERS) holds the virtual environments venv-hf (datasets 5.2.0, torch) and venv-stream (mosaicml-streaming 0.13.0, litdata
 * 0.2.76, torch); FILE (or $HEADRACE_PYTHON) is a Python with numpy and torch for ours. What is missing is left out and said.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer } from "../pipeline/index.ts";
import { openSampler } from "../samplers/index.ts";
import { importTokens } from "../shards/index.ts";
import { beginRun } from "../trainer/index.ts";
import { median } from "./statistics.ts";

const ROW_TOKENS = 4096;
const BATCH_ROWS = 8;
const BATCHES = 1000;
/** Sheared-LLaMA's (arXiv 2310.06694, table 6), as in peer-sampler.py. */
const WEIGHTS = {
  cc: 0.361,
  c4: 0.492,
  github: 0.008,
  wikipedia: 0.031,
  book: 0.091,
  arxiv: 0.007,
  stack: 0.01,
};
const SCRIPT = resolve(import.meta.dirname, "peer-sampler.py");
const OURS_IN_PYTHON = resolve(import.meta.dirname, "../trainer/python");

/** The environment an engine runs in (ours: --python), and the form of the rows it reads. */
const ENGINES: Readonly<
  Record<string, { readonly venv?: string; readonly form: string; readonly by: "wall" | "cpu" }>
> = {
  "headrace-node": { form: "shards", by: "cpu" },
  headrace: { form: "shards", by: "cpu" },
  "headrace-loader": { form: "shards", by: "cpu" },
  "headrace-loader-2": { form: "shards", by: "wall" },
  memmap: { form: "u16", by: "cpu" },
  litdata: { venv: "venv-stream", form: "litdata", by: "cpu" },
  "litdata-2": { venv: "venv-stream", form: "litdata", by: "wall" },
  "map-style": { venv: "venv-hf", form: "arrow", by: "cpu" },
  "map-style-2": { venv: "venv-hf", form: "arrow", by: "wall" },
  iterable: { venv: "venv-hf", form: "arrow", by: "cpu" },
  mosaic: { venv: "venv-stream", form: "mds", by: "cpu" },
  "mosaic-2": { venv: "venv-stream", form: "mds", by: "wall" },
};
/** What writes a form of the rows. */
const WRITERS: Readonly<Record<string, string | undefined>> = {
  u16: undefined,
  litdata: "venv-stream",
  arrow: "venv-hf",
  mds: "venv-stream",
};
/** Ours, theirs, and how many times theirs it should be. */
const GOALS: readonly (readonly [ours: string, theirs: string, goal: number])[] = [
  ["headrace", "memmap", 0.7],
  ["headrace", "mosaic", 20],
  ["headrace", "litdata", 2],
  ["headrace", "map-style", 2],
  ["headrace-loader-2", "mosaic-2", 20],
  ["headrace-loader-2", "litdata-2", 2],
  ["headrace-loader-2", "map-style-2", 2],
  ["headrace-node", "memmap", 0.7],
];

interface Measured {
  readonly version: string;
  readonly firstSeconds: number;
  readonly rowsPerSecond: number;
  readonly rowsPerCpuSecond: number;
  readonly farthestRows: number;
  readonly stateBytes: number;
  /** By per cent of the rows given. */
  readonly resumed: Readonly<Record<string, { readonly seconds: number; readonly exact: boolean }>>;
}

interface Row extends Measured {
  readonly engine: string;
}

const { values } = parseArgs({
  options: {
    engines: { type: "string", default: Object.keys(ENGINES).join() },
    repeats: { type: "string", default: "3" },
    peers: { type: "string", default: process.env["HEADRACE_PEERS"] ?? "" },
    python: { type: "string", default: process.env["HEADRACE_PYTHON"] ?? "python3" },
    json: { type: "boolean", default: false },
    child: { type: "string" },
  },
});

if (values.child !== undefined) console.log(`\n${JSON.stringify(await measureHere(values.child))}`);
else await compare(values.engines.split(","));

async function compare(engines: readonly string[]): Promise<void> {
  const unknown = engines.find((engine) => ENGINES[engine] === undefined);
  if (unknown !== undefined) throw new Error(`engine ${unknown} is none of ${Object.keys(ENGINES).join()}`);
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const runs = new Map<string, Measured[]>(engines.map((engine) => [engine, []]));
  const left = new Map<string, string>();
  try {
    await layOut(folder, engines);
    for (let repeat = 0; repeat < Number(values.repeats); repeat++)
      for (const engine of engines) {
        if (left.has(engine)) continue;
        const run = spawnEngine(engine, folder);
        if (typeof run === "string") left.set(engine, run);
        else runs.get(engine)!.push(run);
      }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const rows = [...runs].flatMap(([engine, of]) => (of.length > 0 ? [rowOf(engine, of)] : []));
  if (values.json)
    console.log(JSON.stringify({ node: process.version, rows, left: Object.fromEntries(left) }));
  else print(rows, left);
}

/** The same rows in every form that the engines read, and a run over ours. */
async function layOut(folder: string, engines: readonly string[]): Promise<void> {
  const forms = new Set(engines.map((engine) => ENGINES[engine]!.form));
  for (const form of forms) if (form !== "shards") python(pythonOf(WRITERS[form]), ["make", form, folder]);
  if (!forms.has("shards")) return;
  const { status, stderr } = python(values.python, ["make", "megatron", folder]);
  if (status !== 0) throw new Error(stderr);
  const shards = join(folder, "shards");
  await importTokens({
    inputs: Object.keys(WEIGHTS).map((name) => `${name}=${join(folder, "megatron", `${name}.bin`)}`),
    out: shards,
    shardBytes: 2 ** 29,
    validationTokens: 0,
    tokenizer: await loadTokenizer("llama-2"),
  });
  await beginRun({
    shards,
    out: join(folder, "run"),
    policy: JSON.stringify(WEIGHTS),
    tokens: ROW_TOKENS * BATCH_ROWS * BATCHES,
    rowTokens: ROW_TOKENS,
    batchRows: BATCH_ROWS,
    seed: 17,
    exhaustion: { policy: "error", epochs: null },
  });
}

/** What an engine measured in a process of its own, or why it could not. */
function spawnEngine(engine: string, folder: string): Measured | string {
  const { venv } = ENGINES[engine]!;
  const run =
    engine === "headrace-node"
      ? spawnSync(process.execPath, [import.meta.filename, "--child", folder], { encoding: "utf8" })
      : python(pythonOf(venv), [engine, folder]);
  if (run.status === 0) return JSON.parse(run.stdout.trim().split("\n").at(-1)!) as Measured;
  return run.stderr.trim().split("\n").at(-1) ?? "no reason given";
}

function python(executable: string, args: readonly string[]) {
  const run = spawnSync(executable, [SCRIPT, ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    env: { ...process.env, PYTHONPATH: OURS_IN_PYTHON, HF_HUB_OFFLINE: "1", PYTHONWARNINGS: "ignore" },
  });
  return { status: run.status, stdout: run.stdout ?? "", stderr: run.stderr || (run.error?.message ?? "") };
}

function pythonOf(venv: string | undefined): string {
  const own = venv === undefined ? "" : join(values.peers, venv, "bin/python");
  return existsSync(own) ? own : values.python;
}

/** Our TypeScript sampler, as peer-sampler.py measures the others. */
async function measureHere(folder: string): Promise<Measured> {
  const open = (from?: { batch: number; stages: number; hash: string }) =>
    openSampler({ run: join(folder, "run"), shards: join(folder, "shards"), ...(from && { from }) });
  const shares = Object.values(WEIGHTS);
  (await open()).close();
  const began = performance.now();
  const sampler = await open();
  const names = Object.keys(WEIGHTS).map((name) => sampler.domains.indexOf(name));
  await sampler.batch(0);
  const firstSeconds = (performance.now() - began) / 1000;
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  for (let k = 1; k < BATCHES - 1; k++) await sampler.batch(k);
  const seconds = (performance.now() - wall) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const counts = shares.map(() => 0);
  let farthestRows = 0;
  const rows = (BATCHES - 2) * BATCH_ROWS;
  for (let k = 0; k < BATCHES; k++) {
    for (const domain of (await sampler.batch(k)).domains) counts[names.indexOf(domain)]!++;
    for (const [i, share] of shares.entries())
      farthestRows = Math.max(farthestRows, Math.abs(counts[i]! - (k + 1) * BATCH_ROWS * share));
  }
  const resumed: Record<string, { seconds: number; exact: boolean }> = {};
  let stateBytes = 0;
  for (const mark of [10, 50, 90]) {
    const state = { ...sampler.state(), batch: (BATCHES * mark) / 100 };
    stateBytes = JSON.stringify(state).length;
    const from = performance.now();
    const again = await open(state);
    const rest = again[Symbol.asyncIterator]();
    const { value: first } = await rest.next();
    const taken = (performance.now() - from) / 1000;
    const expected = await sampler.batch(state.batch);
    resumed[mark] = {
      seconds: taken,
      exact: Buffer.compare(bytesOf(first!.tokens), bytesOf(expected.tokens)) === 0,
    };
    again.close();
  }
  sampler.close();
  return {
    version: process.version,
    firstSeconds,
    rowsPerSecond: rows / seconds,
    rowsPerCpuSecond: (rows * 1e6) / (user + system),
    farthestRows,
    stateBytes,
    resumed,
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function rowOf(engine: string, runs: readonly Measured[]): Row {
  const of = (pick: (run: Measured) => number) => median(runs.map(pick));
  return {
    engine,
    version: runs[0]!.version,
    firstSeconds: of((run) => run.firstSeconds),
    rowsPerSecond: of((run) => run.rowsPerSecond),
    rowsPerCpuSecond: of((run) => run.rowsPerCpuSecond),
    farthestRows: of((run) => run.farthestRows),
    stateBytes: of((run) => run.stateBytes),
    resumed: Object.fromEntries(
      Object.keys(runs[0]!.resumed).map((mark) => [
        mark,
        {
          seconds: of((run) => run.resumed[mark]!.seconds),
          exact: runs.every((run) => run.resumed[mark]!.exact),
        },
      ]),
    ),
  };
}

function print(rows: readonly Row[], left: ReadonlyMap<string, string>): void {
  console.log(
    `${BATCHES * BATCH_ROWS} rows of ${ROW_TOKENS} tokens in batches of ${BATCH_ROWS}, seven domains; page cache; ${process.version}`,
  );
  console.log(
    "engine                        rows/s   by CPU   first s   state B   strays, rows   resume s at 10, 50, 90 %          exact",
  );
  for (const row of rows) {
    const resumed = Object.values(row.resumed);
    console.log(
      [
        `${row.engine} ${row.version}`.padEnd(27),
        row.rowsPerSecond.toFixed(0).padStart(8),
        row.rowsPerCpuSecond.toFixed(0).padStart(8),
        row.firstSeconds.toFixed(3).padStart(9),
        String(row.stateBytes).padStart(9),
        row.farthestRows.toFixed(1).padStart(14),
        resumed
          .map(({ seconds }) => seconds.toFixed(3))
          .join(", ")
          .padStart(26),
        resumed
          .map(({ exact }) => (exact ? "yes" : "no"))
          .join(" ")
          .padStart(14),
      ].join(" "),
    );
  }
  for (const [engine, reason] of left) console.log(`left out: ${engine}: ${reason}`);
  const named = new Map(rows.map((row) => [row.engine, row]));
  for (const [ours, theirs, goal] of GOALS) {
    const [a, b] = [named.get(ours), named.get(theirs)];
    if (a === undefined || b === undefined) continue;
    const ratio =
      ENGINES[ours]!.by === "cpu"
        ? a.rowsPerCpuSecond / b.rowsPerCpuSecond
        : a.rowsPerSecond / b.rowsPerSecond;
    console.log(
      `${ratio >= goal ? "met" : "MISSED"}: ${ours} against ${theirs}: goal ${goal} x, measured ${ratio.toFixed(2)} x by ${ENGINES[ours]!.by === "cpu" ? "CPU" : "wall"} time`,
    );
  }
}
