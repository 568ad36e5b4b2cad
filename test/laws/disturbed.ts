/**
 * Commands that are killed or whose disk fails, for the laws about both: a process group of its own, its end, and what it left.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, temporaryFolder } from "../support.ts";
import { type Fault, LINE } from "./faults.ts";

/** How a command ended. */
export interface Ended {
  readonly pid: number;
  /** Null: it was killed. */
  readonly status: number | null;
  readonly printed: string;
  readonly said: string;
  readonly seconds: number;
}

/** What is to befall a command: a SIGKILL of its process group after a time, or a fault at one of its operations on files. */
export interface Disturbance {
  readonly afterSeconds?: number;
  /** Its log is made anew. */
  readonly fault?: Fault;
  /** Start a script instead of `headrace`. */
  readonly script?: string;
  /** More of the environment. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** Compiled code, so that starting the command some hundred times takes half the processor time. */
const compiled = temporaryFolder();
const FAULTS = pathToFileURL(join(ROOT, "test/laws/faults.ts")).href;

/** Runs `headrace`, or another script, as a process group of its own until it ends or is killed. */
export async function run(words: readonly string[], disturbance: Disturbance = {}): Promise<Ended> {
  const { afterSeconds, fault, script = "scripts/headrace.ts", environment } = disturbance;
  const began = performance.now();
  if (fault) for (const path of [fault.log, `${fault.log}.struck`]) rmSync(path, { force: true });
  const child = spawn(
    process.execPath,
    [...(fault ? ["--import", FAULTS] : []), join(ROOT, script), ...words],
    {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: compiled,
        ...environment,
        ...(fault && { HEADRACE_FAULT: JSON.stringify(fault) }),
      },
    },
  );
  const pid = child.pid!;
  let printed = "";
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const timer =
    afterSeconds === undefined
      ? undefined
      : setTimeout(() => child.exitCode ?? process.kill(-pid, "SIGKILL"), 1000 * afterSeconds);
  const [status, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.once("close", (code, name) => done([code, name])),
  );
  clearTimeout(timer);
  assert.ok(status !== null || signal === "SIGKILL", `ended by ${signal}: ${said}`);
  return { pid, status, printed, said, seconds: (performance.now() - began) / 1000 };
}

/** Operations that a fault's log counted, in order, names of temporary files without their random part. */
export function operationsIn(log: string): readonly string[] {
  if (!existsSync(log)) return [];
  const text = readFileSync(log, "utf8");
  return Array.from({ length: text.length / LINE }, (_, i) => text.slice(i * LINE, (i + 1) * LINE).trimEnd());
}

/** The report that a command printed, without what two runs may differ in: the seconds, the folder, and what an earlier run had done. */
export function reportIn(printed: string): Readonly<Record<string, unknown>> {
  return { ...JSON.parse(printed), out: "", seconds: 0, reused: 0, resumed: 0 };
}

/** Asserts that files are these in these bytes, naming those that are not. */
export function assertSameFiles(
  found: Readonly<Record<string, string>>,
  expected: Readonly<Record<string, string>>,
  story: string,
): void {
  const names = [...new Set([...Object.keys(found), ...Object.keys(expected)])].sort();
  const differ = names.filter((name) => found[name] !== expected[name]);
  const what = (name: string) =>
    found[name] === undefined ? "is missing" : expected[name] === undefined ? "is too much" : "differs";
  assert.deepEqual(
    differ.map((name) => `${name} ${what(name)}`),
    [],
    story,
  );
}
