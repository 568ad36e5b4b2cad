/**
 * Tokenizing, one thread: ours (the WebAssembly kernel and its TypeScript twin) beside other projects' tokenizers in one run, with the ratios
 * and the number of documents whose ids are not sentencepiece's. Every engine and repeat has a process of its own, and every repeat
 * starts with another engine. "first" has cold caches and a cold compiler, "again" is the best of the later passes in the same process.
 *
 *   node bench/tokenize.ts [FILE...] [--text sample,large,unseen] [--megabytes 30] [--engines NAME,...] [--repeats 3] [--peers DIR]
 *                          [--tokenizer FOLDER|FILE] [--python COMMAND] [--json]
 *
 * Texts: `sample`, the shared sample (../shared or $HEADRACE_SHARED; or FILE...); `large`, --megabytes of the peers' corpus of real text;
 * `unseen`, --megabytes in which no word comes twice. Peers are looked for in the virtual environments of DIR (or $HEADRACE_PEERS), then in
 * COMMAND. Slow engines get every 8th document. FOLDER holds LLaMA-2's tokenizer.model and tokenizer.json for the peers; FILE is the
 * tokenizer.json of a byte-level vocabulary to measure in its stead, with the engines that read one.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer } from "../pipeline/index.ts";
import { median, verdict } from "./statistics.ts";
import {
  distinctWords,
  largeFiles,
  megabytesOf,
  sampleFiles,
  shared,
  textsOf,
  textsUpTo,
  unseenTexts,
} from "./texts.ts";

interface Measured {
  readonly engine: string;
  readonly version: string;
  readonly loadSeconds: number;
  /** Wall and CPU seconds of each pass. */
  readonly passes: readonly (readonly [wall: number, cpu: number])[];
  /** SHA-256 of the ids of each document, shortened. */
  readonly hashes: readonly string[];
  readonly tokens: number;
  readonly peakMegabytes: number;
}

interface Row {
  readonly engine: string;
  readonly version: string;
  readonly megabytes: number;
  /** Megabytes of UTF-8 a second, median of the repeats; by CPU time beside it, for a machine that others use too. */
  readonly first: number;
  readonly firstByCpu: number;
  readonly again: number;
  readonly againByCpu: number;
  readonly loadSeconds: number;
  readonly peakMegabytes: number;
  /** Against sentencepiece, or against ours where that is not there; among the documents that this engine had. */
  readonly documentsThatDiffer: number;
}

interface Engine {
  /** Where it runs: in Node, or in Python with the virtual environment of --peers that has it. */
  readonly venv?: "venv" | "venv-tok";
  /** Every step-th document. */
  readonly step: number;
}

const SLOW_STEP = 8;
const ENGINES: Readonly<Record<string, Engine>> = {
  headrace: { step: 1 },
  "headrace-typescript": { step: 1 },
  gigatoken: { venv: "venv-tok", step: 1 },
  fastokens: { venv: "venv-tok", step: 1 },
  sentencepiece: { venv: "venv", step: 1 },
  "tokenizers-fast": { venv: "venv", step: SLOW_STEP },
  tokenizers: { venv: "venv", step: SLOW_STEP },
  tuetoken: { venv: "venv-tok", step: 1 },
  splintr: { venv: "venv-tok", step: SLOW_STEP },
  kitoken: { venv: "venv-tok", step: SLOW_STEP },
  "llama-tokenizer-js": { step: SLOW_STEP },
  "transformers.js": { step: SLOW_STEP },
};
const PASSES = 3;
/** Texts whose ids are kept together; what the peers are given in one call. */
const BATCH = 256;
const SEED = 20_240_624;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    repeats: { type: "string", default: "3" },
    text: { type: "string", default: "sample,large,unseen" },
    megabytes: { type: "string", default: "30" },
    engines: { type: "string", default: Object.keys(ENGINES).join() },
    peers: { type: "string" },
    tokenizer: { type: "string", default: join(shared, "data/redpajama-sample") },
    python: { type: "string", default: process.env["HEADRACE_PYTHON"] ?? "python3" },
    child: { type: "string" },
  },
});
const byteLevel = values.tokenizer.endsWith(".json");
const peers = values.peers ?? process.env["HEADRACE_PEERS"];

if (values.child !== undefined) console.log(JSON.stringify(await measure(values.child, positionals[0]!)));
else for (const name of values.text.split(",")) compare(name);

/** Measures all engines on one text and prints the table. */
function compare(name: string): void {
  const texts = textsNamed(name);
  if (texts.length === 0) {
    console.error(`${name}: no such text here; name --peers DIR with corpus/big`);
    return;
  }
  const engines = values.engines.split(",");
  const unknown = engines.find((engine) => ENGINES[engine] === undefined);
  if (unknown !== undefined) throw new Error(`engine ${unknown} is none of ${Object.keys(ENGINES).join()}`);
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const runs = new Map<string, Measured[]>(engines.map((engine) => [engine, []]));
  const left = new Map<string, string>();
  const parts = new Map<number, Part>();
  try {
    for (const step of [1, SLOW_STEP]) parts.set(step, writePart(folder, step, texts));
    for (let repeat = 0; repeat < Number(values.repeats); repeat++)
      for (const engine of [...engines.slice(repeat % engines.length), ...engines].slice(0, engines.length)) {
        if (left.has(engine)) continue;
        const run = spawnEngine(engine, parts.get(ENGINES[engine]!.step)!.file);
        if (typeof run === "string") left.set(engine, run);
        else runs.get(engine)!.push(run);
      }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const reference = runs.get("sentencepiece")?.[0] ?? runs.get("headrace")?.[0];
  const rows = engines
    .filter((engine) => runs.get(engine)!.length > 0)
    .map((engine) => {
      const { step } = ENGINES[engine]!;
      const differ = runs
        .get(engine)![0]!
        .hashes.filter((hash, i) => hash !== reference?.hashes[i * step]).length;
      return rowOf(runs.get(engine)!, parts.get(step)!.megabytes, differ);
    });
  const report = { text: name, documents: texts.length, words: distinctWords(texts), node: process.version };
  if (values.json) console.log(JSON.stringify({ ...report, rows, left: Object.fromEntries(left) }));
  else print(report, rows, left);
}

function print(
  { text, documents, words }: { readonly text: string; readonly documents: number; readonly words: number },
  rows: readonly Row[],
  left: ReadonlyMap<string, string>,
): void {
  const ours = rows.find(({ engine }) => engine === "headrace");
  console.log(
    `${text}: ${documents} documents, ${rows[0]?.megabytes.toFixed(1)} MB of UTF-8, ${words} different words (our cache has 262144 places); one thread; ${process.version}`,
  );
  console.log(
    "engine                      first MB/s (by CPU)   again (by CPU)   ours/theirs by CPU: first, again   load s   peak MB   differ",
  );
  for (const row of rows) {
    const ratio =
      row === ours || ours === undefined
        ? ""
        : `${(ours.firstByCpu / row.firstByCpu).toFixed(2)}, ${(ours.againByCpu / row.againByCpu).toFixed(2)}`;
    console.log(
      [
        `${row.engine} ${row.version}`.padEnd(27),
        `${row.first.toFixed(2)} (${row.firstByCpu.toFixed(2)})`.padStart(18),
        `${row.again.toFixed(2)} (${row.againByCpu.toFixed(2)})`.padStart(18),
        ratio.padStart(32),
        row.loadSeconds.toFixed(2).padStart(11),
        row.peakMegabytes.toFixed(0).padStart(9),
        String(row.documentsThatDiffer).padStart(8),
      ].join(" "),
    );
  }
  for (const [engine, reason] of left) console.log(`left out: ${engine}: ${reason}`);
  if (ours !== undefined) for (const line of verdicts(text, ours, rows)) console.log(line);
  console.log();
}

/** The goals of this text that can be judged with the engines that ran. */
function verdicts(text: string, ours: Row, rows: readonly Row[]): readonly string[] {
  const row = (name: string) => rows.find(({ engine }) => engine === name);
  const first = (theirs: Row | undefined, goal: number) =>
    theirs === undefined
      ? []
      : [
          verdict(
            `first pass on ${text} text against ${theirs.engine}`,
            goal,
            ours.first / theirs.first,
            ours.firstByCpu / theirs.firstByCpu,
          ),
        ];
  if (text !== "sample")
    return [...first(row("gigatoken"), 1.5), ...first(faster(row("tokenizers-fast"), row("tokenizers")), 25)];
  const giga = row("gigatoken");
  if (giga === undefined) return [];
  return [
    verdict("repeated text against gigatoken", 2, ours.again / giga.again, ours.againByCpu / giga.againByCpu),
  ];
}

/** Of the two calls of one library, the one with the faster first pass. */
function faster(a: Row | undefined, b: Row | undefined): Row | undefined {
  return a !== undefined && b !== undefined && b.firstByCpu > a.firstByCpu ? b : (a ?? b);
}

function rowOf(runs: readonly Measured[], megabytes: number, documentsThatDiffer: number): Row {
  const rate = (pick: (run: Measured) => number) => median(runs.map((run) => megabytes / pick(run)));
  const { engine, version } = runs[0]!;
  return {
    engine,
    version,
    megabytes,
    first: rate(({ passes }) => passes[0]![0]),
    firstByCpu: rate(({ passes }) => passes[0]![1]),
    again: rate(({ passes }) => Math.min(...passes.slice(1).map(([wall]) => wall))),
    againByCpu: rate(({ passes }) => Math.min(...passes.slice(1).map(([, cpu]) => cpu))),
    loadSeconds: median(runs.map((run) => run.loadSeconds)),
    peakMegabytes: Math.max(...runs.map((run) => run.peakMegabytes)),
    documentsThatDiffer,
  };
}

/** What an engine measured in a process of its own, or why it could not. */
function spawnEngine(engine: string, file: string): Measured | string {
  const { venv, step } = ENGINES[engine]!;
  const passes = String(step > 1 ? 2 : PASSES);
  const script = resolve(import.meta.dirname, "peer-tokenizer.py");
  const run =
    venv === undefined
      ? spawnSync(
          process.execPath,
          [import.meta.filename, "--child", engine, "--tokenizer", values.tokenizer, file],
          { encoding: "utf8", maxBuffer: 2 ** 28 },
        )
      : spawnSync(pythonOf(venv), [script, engine, file, values.tokenizer, passes], {
          encoding: "utf8",
          maxBuffer: 2 ** 28,
        });
  if (run.status === 0) return JSON.parse(run.stdout) as Measured;
  return run.error?.message ?? run.stderr.trim().split("\n").at(-1) ?? "no reason given";
}

function pythonOf(venv: string): string {
  const python = peers === undefined ? undefined : join(peers, venv, "bin/python");
  return python !== undefined && existsSync(python) ? python : values.python;
}

async function measure(engine: string, file: string): Promise<Measured> {
  const texts = JSON.parse(readFileSync(file, "utf8")) as readonly string[];
  const started = performance.now();
  const { version, encode, encodeOne } = await openEngine(engine);
  const loadSeconds = (performance.now() - started) / 1000;
  const passes: (readonly [number, number])[] = [];
  let tokens = 0;
  for (let pass = 0; pass < (ENGINES[engine]!.step > 1 ? 2 : PASSES); pass++) {
    const wall = performance.now();
    const cpu = process.cpuUsage();
    tokens = encode(texts);
    const used = process.cpuUsage(cpu);
    passes.push([(performance.now() - wall) / 1000, (used.user + used.system) / 1e6]);
  }
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  const hashes = texts.map((text) => shortHash(Uint32Array.from(encodeOne(text))));
  return { engine, version, loadSeconds, passes, hashes, tokens, peakMegabytes };
}

interface Opened {
  readonly version: string;
  /** Encodes all texts and returns the number of ids. */
  readonly encode: (texts: readonly string[]) => number;
  readonly encodeOne: (text: string) => ArrayLike<number>;
}

async function openEngine(engine: string): Promise<Opened> {
  if (engine === "llama-tokenizer-js") {
    if (byteLevel) throw new Error("it has LLaMA-2's vocabulary and no other");
    const { default: llama } = await import("llama-tokenizer-js");
    const encodeOne = (text: string) => llama.encode(text, false, true);
    return { version: versionOf(engine), encodeOne, encode: countWith(encodeOne) };
  }
  if (engine === "transformers.js") {
    const file = byteLevel ? values.tokenizer : join(values.tokenizer, "tokenizer.json");
    const slow = await loadTokenizer(file, { engine: "transformers" });
    const encodeOne = (text: string) => slow.encode(text);
    return { version: versionOf("@huggingface/transformers"), encodeOne, encode: countWith(encodeOne) };
  }
  const tokenizer = await loadTokenizer(byteLevel ? values.tokenizer : "llama-2", {
    encoder: engine === "headrace" ? "kernel" : "typescript",
  });
  const buffer = {
    ids: tokenizer.tokenType === "uint16" ? new Uint16Array(2 ** 20) : new Int32Array(2 ** 20),
  };
  return {
    version: (
      JSON.parse(readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8")) as { version: string }
    ).version,
    encodeOne: (text) => tokenizer.encode(text),
    encode(texts) {
      let count = 0;
      let kept = 0;
      for (const [i, text] of texts.entries()) {
        if (i % BATCH === 0) kept = 0;
        const more = tokenizer.encodeInto(text, buffer, kept);
        kept += more;
        count += more;
      }
      return count;
    },
  };
}

function countWith(encodeOne: (text: string) => ArrayLike<number>): (texts: readonly string[]) => number {
  return (texts) => {
    let count = 0;
    for (const text of texts) count += encodeOne(text).length;
    return count;
  };
}

function versionOf(name: string): string {
  const file = resolve(import.meta.dirname, "../node_modules", name, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}

function textsNamed(name: string): readonly string[] {
  const sample = () => (positionals.length > 0 ? positionals : sampleFiles()).flatMap(textsOf);
  if (name === "sample") return sample();
  if (name === "large") return textsUpTo(largeFiles(peers), Number(values.megabytes));
  if (name === "unseen") return unseenTexts(sample(), Number(values.megabytes), SEED);
  throw new Error(`text ${name} is none of sample, large, unseen`);
}

interface Part {
  readonly file: string;
  readonly megabytes: number;
}

/** Every step-th text as a JSON file. */
function writePart(folder: string, step: number, texts: readonly string[]): Part {
  const some = texts.filter((_, i) => i % step === 0);
  const file = join(folder, `every-${step}.json`);
  writeFileSync(file, JSON.stringify(some));
  return { file, megabytes: megabytesOf(some) };
}

function shortHash(ids: Uint32Array): string {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
