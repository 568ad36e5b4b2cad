/**
 * One conversation with one trainer, from its start to its end: whatever goes wrong comes back as one line that says how the trainer
 * ended, how far it had come and what it said last, and nothing that was started is left running.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { ConnectionLost, type HostHandler } from "./conversation.ts";
import { type Host, openHost } from "./host.ts";
import { ADDRESS_VARIABLE, TOKEN_VARIABLE, type Welcome } from "./protocol.ts";
import {
  describeExit,
  type Exit,
  type Subprocess,
  startSubprocess,
  type TrainerCommand,
} from "./subprocess.ts";

/** Times of a conversation, in seconds. */
export interface SessionTimes {
  /** Between two heartbeats, default 5. */
  readonly heartbeatSeconds?: number;
  /** Silence after which the other side is taken for dead, default 60. */
  readonly timeoutSeconds?: number;
  /** From the start of the trainer to its hello, default 300; without a limit when attached. */
  readonly startSeconds?: number;
  /** Without a batch, report or checkpoint, default 3600. */
  readonly stallSeconds?: number;
}

export interface SessionOptions extends SessionTimes {
  readonly welcome: Omit<Welcome, "type" | "protocol" | "heartbeatSeconds" | "timeoutSeconds">;
  readonly handler: HostHandler;
  /** null: something else starts the trainer, with what `onAttach` is told. */
  readonly trainer: TrainerCommand | null;
  readonly onAttach?: (connection: { readonly address: string; readonly token: string }) => void;
  readonly listen?: string;
  /** File to which the trainer's output is appended. */
  readonly log: string;
  /** Asks the trainer to end when it is aborted. */
  readonly signal?: AbortSignal;
  /** How far it has come, for people: "after 12 batches". */
  readonly progress: () => string;
}

const DONE_SECONDS = 10;
const LAST_WORD_SECONDS = 2;

/**
 * Starts a trainer, or waits for one, and serves it until it is done. Returns the batch of `done` and whether it was asked to end.
 * Throws what the handler threw, ERR_TRAINER for everything that the trainer did wrong, ERR_ARGUMENT for the address.
 */
export async function runSession(
  options: SessionOptions,
): Promise<{ readonly batch: number; readonly interrupted: boolean }> {
  const { heartbeatSeconds = 5, timeoutSeconds = 60, startSeconds = 300, stallSeconds = 3600 } = options;
  const host = await openHost({
    welcome: { ...options.welcome, heartbeatSeconds, timeoutSeconds },
    handler: options.handler,
    listen: options.listen,
    startSeconds: options.trainer === null ? null : startSeconds,
    stallSeconds,
  });
  const { address, token } = host;
  let child: Subprocess | null = null;
  let failure: HeadraceError | undefined;
  try {
    if (options.trainer)
      child = await startSubprocess(
        options.trainer,
        { [ADDRESS_VARIABLE]: address, [TOKEN_VARIABLE]: token },
        options.log,
      );
    else options.onAttach?.({ address, token });
    return await converse(host, child, options);
  } catch (error) {
    failure = await explained(error, child, options);
    throw failure;
  } finally {
    await host.close(failure);
    await child?.end();
  }
}

async function converse(
  host: Host,
  child: Subprocess | null,
  { signal }: SessionOptions,
): Promise<{ readonly batch: number; readonly interrupted: boolean }> {
  const aborted = new Promise<"aborted">((resolve) => {
    if (signal?.aborted) resolve("aborted");
    else signal?.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
  const exited = child ? child.exited.then(() => "exited" as const) : new Promise<never>(() => {});
  const first = await Promise.race([host.finished, exited, aborted]);
  if (first === "aborted") {
    host.stop("interrupted");
    const last = await within(DONE_SECONDS, Promise.race([host.finished, exited]));
    return { batch: typeof last === "number" ? last : -1, interrupted: true };
  }
  if (first === "exited") {
    // `done` may still be on its way through a socket.
    for (let waited = 0; host.connections() > 0 && waited < LAST_WORD_SECONDS; waited += 0.01)
      await sleep(10);
    const last = await Promise.race([host.finished, sleep(0, null)]);
    if (last === null) throw new ConnectionLost("ERR_TRAINER", "trainer ended");
    return { batch: last, interrupted: false };
  }
  if (child) await within(DONE_SECONDS, child.exited);
  return { batch: first, interrupted: false };
}

/** The error as a person should read it. What a trainer reported wrongly stands as it is; a trainer that is gone is described by its end. */
async function explained(
  error: unknown,
  child: Subprocess | null,
  options: SessionOptions,
): Promise<HeadraceError> {
  if (!(error instanceof HeadraceError)) throw error;
  if (error.code === "ERR_PARSE")
    return new HeadraceError(
      "ERR_TRAINER",
      `trainer broke the protocol ${options.progress()}: ${error.message}; its output is in ${options.log}`,
      { cause: error },
    );
  if (error.code !== "ERR_TRAINER" || !child) return error;
  const exit: Exit | null =
    error instanceof ConnectionLost ? await within(LAST_WORD_SECONDS, child.exited) : child.exit();
  const said = child.lastLines(1)[0];
  const last =
    said === undefined ? "it printed nothing" : `its last line was ${JSON.stringify(said.slice(0, 200))}`;
  const what = exit
    ? `trainer ${describeExit(exit)} ${options.progress()}${error instanceof ConnectionLost ? "" : ` (${messageOf(error)})`}`
    : `${messageOf(error)} ${options.progress()}`;
  return new HeadraceError(
    "ERR_TRAINER",
    `${what}; ${last}; see ${options.log}, then run the same command to go on`,
    {
      cause: error,
    },
  );
}

/** What a promise resolves to, or null when `seconds` are over. */
async function within<T>(seconds: number, promise: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise,
      sleep(1000 * seconds, null, { signal: timer.signal }).catch(() => null),
    ]);
  } finally {
    timer.abort();
  }
}
