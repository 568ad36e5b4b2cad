/**
 * A trainer as a child process: started as the leader of a process group of its own, its output in a log file that it writes itself
 * (so it neither blocks on headrace nor dies mute when headrace does), ended with everything it started.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadraceError } from "../core/errors.ts";

/** A program and its arguments, or a line for the shell. */
export interface TrainerCommand {
  readonly command: string;
  /** Absent: `command` is a line for the shell. */
  readonly arguments?: readonly string[];
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A trainer that was started. */
export interface Subprocess {
  readonly pid: number;
  /** Never rejects. */
  readonly exited: Promise<Exit>;
  /** How it ended, or null while it runs. */
  exit(): Exit | null;
  /** The last lines it printed in this run, oldest first, without empty ones and what Node says after a stack. */
  lastLines(count: number): readonly string[];
  /** SIGTERM to the whole group, SIGKILL after `graceSeconds`; resolves when the leader is gone. */
  end(graceSeconds?: number): Promise<Exit>;
}

const TAIL_BYTES = 16_384;

/** Starts a trainer with its output appended to `log`. Throws ERR_TRAINER when the program cannot be started. */
export async function startSubprocess(
  trainer: TrainerCommand,
  environment: Readonly<Record<string, string>>,
  log: string,
): Promise<Subprocess> {
  const file = openSync(log, "a+");
  writeSync(file, `--- headrace started: ${commandLine(trainer)}\n`);
  const from = fstatSync(file).size;
  const child = spawn(trainer.command, trainer.arguments ?? [], {
    shell: trainer.arguments === undefined,
    detached: true,
    stdio: ["ignore", file, file],
    env: { ...process.env, ...trainer.environment, ...environment },
  });
  let ended: Exit | null = null;
  const exited = new Promise<Exit>((done) => {
    child.once("exit", (code, signal) => {
      ended = { code, signal };
      signalGroup(child, "SIGKILL");
      done(ended);
    });
  });
  try {
    await new Promise<void>((started, failed) => {
      child.once("spawn", started);
      child.once("error", failed);
    });
  } catch (cause) {
    closeSync(file);
    throw new HeadraceError(
      "ERR_TRAINER",
      `trainer ${JSON.stringify(trainer.command)} cannot be started: ${(cause as Error).message}`,
      { cause },
    );
  }
  child.on("error", () => {});
  void exited.then(() => closeSync(file));
  return {
    pid: child.pid!,
    exited,
    exit: () => ended,
    lastLines: (count) => tail(log, from, count),
    async end(graceSeconds = 5) {
      if (ended) return ended;
      signalGroup(child, "SIGTERM");
      const timer = new AbortController();
      const late = sleep(1000 * graceSeconds, null, { signal: timer.signal }).catch(() => null);
      if ((await Promise.race([exited, late])) === null) signalGroup(child, "SIGKILL");
      timer.abort();
      return await exited;
    },
  };
}

/** A command as a person would type it. */
export function commandLine(trainer: TrainerCommand): string {
  if (trainer.arguments === undefined) return trainer.command;
  return [trainer.command, ...trainer.arguments]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

/** Says how a process ended: `exited with code 3`, `was killed by SIGKILL`. */
export function describeExit({ code, signal }: Exit): string {
  return signal ? `was killed by ${signal}` : `exited with code ${code}`;
}

/** The group outlives its leader when workers were started; none left is no error. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function tail(path: string, from: number, count: number): readonly string[] {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const start = Math.max(from, size - TAIL_BYTES);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    const read = readSync(file, bytes, 0, bytes.length, start);
    return bytes
      .toString("utf8", 0, read)
      .split(/[\r\n]+/)
      .map((line) => line.trim())
      .filter((line) => line !== "" && !/^Node\.js v[\d.]+$/.test(line))
      .slice(-count);
  } finally {
    closeSync(file);
  }
}
