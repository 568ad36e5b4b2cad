/**
 * Tokenizing, one thread: ours against sentencepiece, transformers.js and llama-tokenizer-js in one run, with the ratios and the
 * number of documents whose ids differ. Every engine has processes of its own; "first" has cold caches and a cold compiler, "again" is the
 * best of two more passes in the same process. The slow engines get every 16th document.
 *
 *   node bench/tokenize.ts [FILE...] [--tokenizer FOLDER] [--python COMMAND] [--repeats 3] [--json]
 *
 * FILE is .jsonl or .jsonl.zst with a `text` field, or any other file as one text; without one, the shared sample (../shared or
 * $HEADRACE_SHARED). FOLDER holds LLaMA-2's tokenizer.model and tokenizer.json for the peers; ours takes "llama-2".
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { zstdDecompressSync } from "node:zlib";
import { loadTokenizer } from "../pipeline/index.ts";

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
  readonly documentsThatDiffer: number;
}

const ENGINES = ["headrace", "sentencepiece", "llama-tokenizer-js", "transformers.js"] as const;
type Engine = (typeof ENGINES)[number];
const SLOW: readonly Engine[] = ["llama-tokenizer-js", "transformers.js"];
const SLOW_STEP = 16;
const PASSES = 3;

const PYTHON = `
import array, hashlib, json, resource, sys, time
import sentencepiece
texts = json.load(open(sys.argv[1], encoding="utf-8"))
start = time.perf_counter()
sp = sentencepiece.SentencePieceProcessor(model_file=sys.argv[2])
load = time.perf_counter() - start
passes = []
for _ in range(int(sys.argv[3])):
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = 0
    for text in texts:
        tokens += len(sp.encode(text))
    passes.append([time.perf_counter() - wall, time.process_time() - cpu])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
hashes = [hashlib.sha256(array.array("H", sp.encode(text)).tobytes()).hexdigest()[:16] for text in texts]
print(json.dumps({"engine": "sentencepiece", "version": sentencepiece.__version__, "loadSeconds": load, "passes": passes,
                  "hashes": hashes, "tokens": tokens, "peakMegabytes": peak}))
`;

const shared = process.env["HEADRACE_SHARED"] ?? resolve(import.meta.dirname, "../../shared");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    repeats: { type: "string", default: "3" },
    tokenizer: { type: "string", default: join(shared, "data/redpajama-sample") },
    python: { type: "string", default: process.env["HEADRACE_PYTHON"] ?? "python3" },
    child: { type: "string" },
  },
});

if (values.child !== undefined)
  console.log(JSON.stringify(await measure(values.child as Engine, positionals[0]!)));
else main();

function main(): void {
  const texts = (positionals.length > 0 ? positionals : sampleFiles()).flatMap(textsOf);
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const rows: Row[] = [];
  const left: string[] = [];
  try {
    const all = writeTexts(folder, "all.json", texts);
    const some = writeTexts(
      folder,
      "some.json",
      texts.filter((_, i) => i % SLOW_STEP === 0),
    );
    let expected: readonly string[] = [];
    for (const engine of ENGINES) {
      const input = SLOW.includes(engine) ? some : all;
      const step = SLOW.includes(engine) ? SLOW_STEP : 1;
      const runs: Measured[] = [];
      // The slow engines take minutes; once is enough for a ratio of a hundred.
      for (let repeat = 0; repeat < (step > 1 ? 1 : Number(values.repeats)); repeat++) {
        const run = spawnEngine(engine, input.file);
        if (typeof run === "string") {
          left.push(`${engine}: ${run}`);
          break;
        }
        runs.push(run);
      }
      if (runs.length === 0) continue;
      if (engine === "headrace") expected = runs[0]!.hashes;
      const differ = runs[0]!.hashes.filter((hash, i) => hash !== expected[i * step]).length;
      rows.push(rowOf(runs, input.megabytes, differ));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const documents = texts.length;
  if (values.json) console.log(JSON.stringify({ documents, node: process.version, rows, left }));
  else print(documents, rows, left);
}

function print(documents: number, rows: readonly Row[], left: readonly string[]): void {
  const ours = rows[0]!;
  console.log(
    `${documents} documents, ${ours.megabytes.toFixed(1)} MB of UTF-8; one thread; ${process.version}`,
  );
  console.log(
    "engine                      first MB/s (by CPU)   again (by CPU)   ours/theirs first, again   load s   peak MB   differ",
  );
  for (const row of rows) {
    const ratio =
      row === ours ? "" : `${(ours.first / row.first).toFixed(1)}, ${(ours.again / row.again).toFixed(1)}`;
    console.log(
      [
        `${row.engine} ${row.version}`.padEnd(27),
        `${row.first.toFixed(2)} (${row.firstByCpu.toFixed(2)})`.padStart(18),
        `${row.again.toFixed(2)} (${row.againByCpu.toFixed(2)})`.padStart(18),
        ratio.padStart(23),
        row.loadSeconds.toFixed(2).padStart(11),
        row.peakMegabytes.toFixed(0).padStart(9),
        String(row.documentsThatDiffer).padStart(8),
      ].join(" "),
    );
  }
  for (const reason of left) console.log(`left out: ${reason}`);
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
function spawnEngine(engine: Engine, file: string): Measured | string {
  const [command, args] =
    engine === "sentencepiece"
      ? [values.python, ["-c", PYTHON, file, join(values.tokenizer, "tokenizer.model"), String(PASSES)]]
      : [process.execPath, [import.meta.filename, "--child", engine, "--tokenizer", values.tokenizer, file]];
  const run = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (run.status === 0) return JSON.parse(run.stdout) as Measured;
  return run.error?.message ?? run.stderr.trim().split("\n").at(-1) ?? "no reason given";
}

async function measure(engine: Engine, file: string): Promise<Measured> {
  const texts = JSON.parse(readFileSync(file, "utf8")) as readonly string[];
  const started = performance.now();
  const { version, encode, encodeOne } = await openEngine(engine);
  const loadSeconds = (performance.now() - started) / 1000;
  const passes: (readonly [number, number])[] = [];
  let tokens = 0;
  for (let pass = 0; pass < (SLOW.includes(engine) ? 2 : PASSES); pass++) {
    const wall = performance.now();
    const cpu = process.cpuUsage();
    tokens = encode(texts);
    const used = process.cpuUsage(cpu);
    passes.push([(performance.now() - wall) / 1000, (used.user + used.system) / 1e6]);
  }
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  const hashes = texts.map((text) => shortHash(Uint16Array.from(encodeOne(text))));
  return { engine, version, loadSeconds, passes, hashes, tokens, peakMegabytes };
}

interface Opened {
  readonly version: string;
  /** Encodes all texts and returns the number of ids. */
  readonly encode: (texts: readonly string[]) => number;
  readonly encodeOne: (text: string) => ArrayLike<number>;
}

async function openEngine(engine: Engine): Promise<Opened> {
  if (engine === "llama-tokenizer-js") {
    const { default: llama } = await import("llama-tokenizer-js");
    const encodeOne = (text: string) => llama.encode(text, false, true);
    return { version: versionOf(engine), encodeOne, encode: countWith(encodeOne) };
  }
  if (engine === "transformers.js") {
    const slow = await loadTokenizer(join(values.tokenizer, "tokenizer.json"), { engine: "transformers" });
    const encodeOne = (text: string) => slow.encode(text);
    return { version: versionOf("@huggingface/transformers"), encodeOne, encode: countWith(encodeOne) };
  }
  const tokenizer = await loadTokenizer("llama-2");
  const buffer = { ids: new Uint16Array(2 ** 20) };
  return {
    version: (
      JSON.parse(readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8")) as { version: string }
    ).version,
    encodeOne: (text) => tokenizer.encode(text),
    encode(texts) {
      let count = 0;
      for (const text of texts) count += tokenizer.encodeInto(text, buffer, count);
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

function writeTexts(
  folder: string,
  name: string,
  texts: readonly string[],
): { readonly file: string; readonly megabytes: number } {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(texts));
  return { file, megabytes: texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6 };
}

function sampleFiles(): readonly string[] {
  const folder = join(shared, "data/redpajama-sample/by-domain");
  return readdirSync(folder)
    .sort()
    .map((file) => join(folder, file));
}

function textsOf(file: string): readonly string[] {
  const stored = readFileSync(file);
  const text = (file.endsWith(".zst") ? zstdDecompressSync(stored) : stored).toString();
  if (!/\.jsonl(\.zst)?$/.test(file)) return [text];
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { readonly text: string }).text.toWellFormed());
}

function shortHash(ids: Uint16Array): string {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}
