/**
 * `headrace doctor`: whether this machine can do what headrace does. Each check measures one thing and says in one line what it found and,
 * where that is not good, the way out. Only the output folder is written to, and left as it was.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { writeFileWhole } from "../core/commit.ts";
import { messageOf } from "../core/errors.ts";
import { acquireLock } from "../core/lock.ts";
import { existing, freeBytes } from "./free-space.ts";
import { loadTokenizer } from "./tokenizer/index.ts";
import { zstdSelfTest } from "./unzstd.ts";

/** What one check found. `fail`: a build will not work; `warn`: something will, but not everything, or not well. */
export interface Finding {
  readonly check: string;
  readonly status: "ok" | "warn" | "fail";
  /** What was seen and, unless it is good, the way out, in one line. */
  readonly message: string;
}

/** What to examine. */
export interface DoctorRequest {
  /** Folder that a build shall write to; it need not exist. Default: the current one. */
  readonly out?: string;
  /** Default: `$HEADRACE_PYTHON`, else `python3`, as the trainer. */
  readonly python?: string;
}

const run = promisify(execFile);

/** Examines the machine; takes a few seconds, most of them Python's. Never throws on what it finds. */
export async function doctor(request: DoctorRequest = {}): Promise<readonly Finding[]> {
  const out = resolve(request.out ?? ".");
  const python = request.python ?? process.env["HEADRACE_PYTHON"] ?? "python3";
  return [
    runtimeFinding(process.versions.node),
    await tried("zstd", "several frames in one file are all decoded", "use another Node", zstdSelfTest),
    await tokenizer(),
    await outputFolder(out),
    await disk(out),
    await openFiles(),
    machineFinding(availableParallelism(), totalmem()),
    await ledger(),
    ...(await pythonFindings(python)),
    await transformers(),
  ];
}

/** Whether a version of Node is new enough: 22.18 strips types and has zstd. */
export function runtimeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const good = major > 22 || (major === 22 && minor >= 18);
  return finding(
    "runtime",
    good ? "ok" : "fail",
    `Node ${version}`,
    "install Node 22.18 or newer; 26 is what headrace is developed on",
  );
}

/** Whether so many files may be open at a time. */
export function openFilesFinding(limit: number): Finding {
  const status = limit < 256 ? "fail" : limit < 1024 ? "warn" : "ok";
  return finding(
    "open files",
    status,
    limit === Number.POSITIVE_INFINITY ? "no limit" : `at most ${limit} at a time`,
    'raise it with "ulimit -n 4096"',
  );
}

/** Whether so many free bytes in a folder are enough for more than a try. */
export function diskFinding(folder: string, free: number): Finding {
  const status = free < 1e9 ? "fail" : free < 20e9 ? "warn" : "ok";
  return finding(
    "free disk",
    status,
    `${(free / 1e9).toFixed(1)} GB in ${folder}`,
    "a build needs about twice its shards while it runs; free some, or name another --out",
  );
}

/** Whether there is more than one processor and memory for a worker on each (about 400 MB). */
export function machineFinding(processors: number, memory: number): Finding {
  const least = processors * 0.4e9;
  return finding(
    "machine",
    memory < least ? "warn" : "ok",
    `${processors} processors, ${(memory / 1e9).toFixed(1)} GB of memory`,
    `a worker takes up to 0.4 GB; use at most --workers ${Math.max(1, Math.floor(memory / 0.4e9))}`,
  );
}

async function tokenizer(): Promise<Finding> {
  return tried("tokenizer", "LLaMA-2 ids are those of sentencepiece", "install headrace again", async () => {
    const ids = (await loadTokenizer("llama-2")).encode("Hello world, 2024 é");
    const expected = [15043, 3186, 29892, 29871, 29906, 29900, 29906, 29946, 904];
    if (ids.join() !== expected.join()) throw new Error(`"Hello world" has the ids ${ids.join(" ")}`);
  });
}

async function outputFolder(out: string): Promise<Finding> {
  const folder = existing(out);
  return tried(
    "file system",
    `${folder} takes files and locks, flushes and renames them`,
    "permit writing there, or name another --out",
    async () => {
      const scratch = await mkdtemp(join(folder, ".headrace-doctor-"));
      try {
        const path = join(scratch, "file");
        await writeFileWhole(path, "first");
        await writeFileWhole(path, "second");
        const seen = await readFile(path, "utf8");
        if (seen !== "second") throw new Error(`a file that was replaced reads ${JSON.stringify(seen)}`);
        (await acquireLock(join(scratch, "lock"))).release();
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    },
  );
}

async function disk(out: string): Promise<Finding> {
  const folder = existing(out);
  try {
    return diskFinding(folder, await freeBytes(out));
  } catch (error) {
    return finding("free disk", "warn", `unknown in ${folder}: ${messageOf(error)}`, "look yourself");
  }
}

async function openFiles(): Promise<Finding> {
  try {
    const { stdout } = await run("sh", ["-c", "ulimit -n"]);
    const limit = stdout.trim();
    return openFilesFinding(limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit));
  } catch (error) {
    return finding("open files", "warn", `limit unknown: ${messageOf(error)}`, 'look with "ulimit -n"');
  }
}

async function ledger(): Promise<Finding> {
  return tried("ledger", "SQLite runs", "install headrace again (npm install)", async () => {
    const { default: Database } = await import("better-sqlite3");
    const database = new Database(":memory:");
    database.prepare("SELECT 1").get();
    database.close();
  });
}

/** Prints what Python has: its version, then a version or null for numpy and torch, and the graphics card or null. */
const PROBE = `
import json, platform
def version(name):
    try: return __import__(name).__version__
    except Exception: return None
torch = version("torch")
gpu = None
if torch:
    import torch as t
    if t.cuda.is_available(): gpu = f"{t.cuda.get_device_name(0)}, {t.cuda.device_count()} in all"
print(json.dumps([platform.python_version(), version("numpy"), torch and str(torch), gpu]))
`;

async function pythonFindings(python: string): Promise<readonly Finding[]> {
  let found: readonly (string | null)[];
  try {
    const { stdout } = await run(python, ["-c", PROBE], { timeout: 120_000 });
    found = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as readonly (string | null)[];
  } catch (error) {
    const why = messageOf(error).split("\n")[0];
    return [
      finding(
        "python",
        "warn",
        `${python} does not run: ${why}`,
        "only the Python package and the torch trainer need it; install it, or set HEADRACE_PYTHON",
      ),
    ];
  }
  const [version, numpy, torch, gpu] = found;
  const missing = (name: string, wanted: string) =>
    finding(name, "warn", "not there", `${wanted}; run "${python} -m pip install ${name}"`);
  return [
    finding("python", "ok", `${python} is ${version}`, ""),
    numpy ? finding("numpy", "ok", numpy, "") : missing("numpy", "only the Python package needs it"),
    ...(torch
      ? [
          finding("torch", "ok", torch, ""),
          finding(
            "gpu",
            gpu ? "ok" : "warn",
            gpu ?? "none that torch sees",
            "the torch trainer runs on the processor, slowly",
          ),
        ]
      : [missing("torch", "only the torch trainer needs it")]),
  ];
}

async function transformers(): Promise<Finding> {
  return tried(
    "transformers",
    "@huggingface/transformers is there, for --tokenizer-engine transformers",
    'only that engine needs it; run "npm install @huggingface/transformers"',
    async () => void import.meta.resolve("@huggingface/transformers"),
    "warn",
  );
}

async function tried(
  check: string,
  good: string,
  wayOut: string,
  act: () => Promise<unknown>,
  otherwise: "warn" | "fail" = "fail",
): Promise<Finding> {
  try {
    await act();
    return finding(check, "ok", good, wayOut);
  } catch (error) {
    return finding(check, otherwise, messageOf(error).split("\n")[0]!, wayOut);
  }
}

function finding(check: string, status: Finding["status"], seen: string, wayOut: string): Finding {
  return { check, status, message: status === "ok" ? seen : `${seen}; ${wayOut}` };
}
