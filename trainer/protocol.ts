/**
 * Both sides' grammar of the trainer protocol (docs/trainer-protocol.md) in one file: JSON lines, parsed from `unknown`.
 * Promises that a message which parses has every field in range; gives up on messages over 1 MiB.
 */
import { HeadraceError } from "../core/errors.ts";
import {
  anything,
  integer,
  nullable,
  number,
  object,
  oneOf,
  optional,
  type Parser,
  parseJson,
  string,
} from "../core/parse.ts";
import type { Evaluation } from "../samplers/index.ts";

/** The one version there is. */
export const PROTOCOL = 1;

/** The longest message in bytes, its line feed included. */
export const MESSAGE_BYTES = 1_048_576;

/** The longest `hello`: what a stranger may make headrace keep. */
export const HELLO_BYTES = 65_536;

/** Environment variables that carry the connection to a trainer. */
export const ADDRESS_VARIABLE = "HEADRACE_ADDRESS";
export const TOKEN_VARIABLE = "HEADRACE_TOKEN";

/** Where a client stands: batches trained on, stages known, hash of the last. */
export interface TrainerState {
  readonly batch: number;
  readonly stages: number;
  readonly hash: string;
}

export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  readonly token: string;
  readonly rank: number;
  readonly world: number;
  readonly client: string;
  /** Name of the machine, for people. */
  readonly host?: string;
}

export interface Ready extends TrainerState {
  readonly type: "ready";
}

export interface Acknowledgement {
  readonly type: "ack";
  readonly batch: number;
  /** Served hash of the rows consumed, 16 hex digits. */
  readonly served: string;
  /** Mean of the batch, nats a token. */
  readonly loss?: number;
  readonly tokens?: number;
  readonly seconds?: number;
}

/** `report` is checked by samplers/report.ts, which can say more about it than a parser. */
export interface ReportMessage {
  readonly type: "report";
  readonly report: unknown;
}

export type ClientMessage =
  | Hello
  | Ready
  | Acknowledgement
  | ReportMessage
  | { readonly type: "checkpoint"; readonly batch: number }
  | { readonly type: "heartbeat" }
  | { readonly type: "done"; readonly batch: number }
  | { readonly type: "error"; readonly message: string };

export interface Welcome {
  readonly type: "welcome";
  readonly protocol: number;
  readonly mode: "train" | "evaluate";
  /** Absolute path of the run folder; null in evaluate mode. */
  readonly run: string | null;
  readonly shards: string;
  readonly batches: number;
  /** Batches between two reports; null: report at the end only. */
  readonly everyBatches: number | null;
  readonly checkpoints: string | null;
  readonly evaluation: Evaluation;
  readonly heartbeatSeconds: number;
  readonly timeoutSeconds: number;
}

export interface StageMessage {
  readonly type: "stage";
  readonly stages: number;
  readonly hash: string;
  /** Batches before this one may be served; null: all. */
  readonly decidedUntil: number | null;
}

export type HostMessage =
  | Welcome
  | StageMessage
  | { readonly type: "stop"; readonly reason: string }
  | { readonly type: "heartbeat" }
  | { readonly type: "error"; readonly code: string; readonly message: string };

const count = integer(0);
const positive: Parser<number> = (value, at) => {
  const parsed = number(value, at);
  if (parsed <= 0) throw new HeadraceError("ERR_PARSE", `${at} is ${parsed}; expected a number above 0`);
  return parsed;
};
const servedHex: Parser<string> = (value, at) => {
  const text = string(value, at);
  if (!/^[0-9a-f]{16}$/.test(text))
    throw new HeadraceError(
      "ERR_PARSE",
      `${at} is ${JSON.stringify(text)}; expected 16 lower-case hex digits`,
    );
  return text;
};

const CLIENT: {
  readonly [T in ClientMessage["type"]]: Parser<Extract<ClientMessage, { readonly type: T }>>;
} = {
  hello: object({
    type: oneOf("hello"),
    protocol: count,
    token: string,
    rank: count,
    world: integer(1),
    client: string,
    host: optional(string),
  }) as Parser<Hello>,
  ready: object({ type: oneOf("ready"), batch: count, stages: count, hash: string }),
  ack: object({
    type: oneOf("ack"),
    batch: count,
    served: servedHex,
    loss: optional(number),
    tokens: optional(count),
    seconds: optional(number),
  }) as Parser<Acknowledgement>,
  report: object({ type: oneOf("report"), report: anything }),
  checkpoint: object({ type: oneOf("checkpoint"), batch: count }),
  heartbeat: object({ type: oneOf("heartbeat") }),
  done: object({ type: oneOf("done"), batch: count }),
  error: object({ type: oneOf("error"), message: string }),
};

const HOST: { readonly [T in HostMessage["type"]]: Parser<Extract<HostMessage, { readonly type: T }>> } = {
  welcome: object({
    type: oneOf("welcome"),
    protocol: count,
    mode: oneOf("train", "evaluate"),
    run: nullable(string),
    shards: string,
    batches: count,
    everyBatches: nullable(integer(1)),
    checkpoints: nullable(string),
    evaluation: object({ rowTokens: integer(1), tokensPerDomain: integer(1) }),
    heartbeatSeconds: positive,
    timeoutSeconds: positive,
  }),
  stage: object({ type: oneOf("stage"), stages: count, hash: string, decidedUntil: nullable(count) }),
  stop: object({ type: oneOf("stop"), reason: string }),
  heartbeat: object({ type: oneOf("heartbeat") }),
  error: object({ type: oneOf("error"), code: string, message: string }),
};

/**
 * Parses a line from a client. A bare NaN or Infinity, which some JSON writers emit, becomes the string of that name, so that the check of a loss
 * report can name its domain. Throws ERR_PARSE.
 */
export function parseClientMessage(line: string): ClientMessage {
  return parseMessage<ClientMessage>(line, CLIENT, "message from the trainer");
}

/** Parses a line from the host. Throws ERR_PARSE. */
export function parseHostMessage(line: string): HostMessage {
  return parseMessage<HostMessage>(line, HOST, "message from headrace");
}

/** A message as its line. */
export function formatMessage(message: ClientMessage | HostMessage): string {
  return `${JSON.stringify(message)}\n`;
}

/**
 * Cuts what a socket delivers into lines. `push` returns the lines that are complete, without their line feeds.
 * Throws ERR_PARSE when a line passes `most` bytes, which is asked at each push; default MESSAGE_BYTES.
 */
export function lineSplitter(most: () => number = () => MESSAGE_BYTES): {
  push(chunk: Uint8Array): readonly string[];
} {
  let pending: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      const limit = most();
      pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
      const lines: string[] = [];
      let from = 0;
      for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10, from)) {
        if (end + 1 - from > limit) throw tooLong(end + 1 - from, limit);
        lines.push(pending.toString("utf8", from, end));
        from = end + 1;
      }
      pending = pending.subarray(from);
      if (pending.length >= limit) throw tooLong(pending.length, limit);
      return lines;
    },
  };
}

/** Where a socket listens. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Parses `unix:/path` or `tcp:host:port`. Throws ERR_ARGUMENT. */
export function parseAddress(text: string): Address {
  if (text.startsWith("unix:/")) return { kind: "unix", path: text.slice("unix:".length) };
  const match = /^tcp:(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { kind: "tcp", host: match[1] ?? match[2]!, port };
  throw new HeadraceError(
    "ERR_ARGUMENT",
    `address ${JSON.stringify(text)} is not unix:/absolute/path or tcp:host:port`,
  );
}

/** The text that parseAddress reads. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return `tcp:${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

function parseMessage<M extends { readonly type: string }>(
  line: string,
  parsers: Readonly<Record<string, Parser<M>>>,
  subject: string,
): M {
  const parser: Parser<M> = (value, at) => {
    const { type } = object({ type: string })(value, at);
    if (!Object.hasOwn(parsers, type))
      throw new HeadraceError(
        "ERR_PARSE",
        `${at} has type ${JSON.stringify(type.slice(0, 40))}; known: ${Object.keys(parsers).join(", ")}`,
      );
    return parsers[type]!(value, at);
  };
  try {
    return parseJson(line, parser, subject);
  } catch (error) {
    const quoted = line.replaceAll(/(?<=[:[,]\s*)(-?Infinity|NaN)(?=\s*[,}\]])/g, '"$1"');
    if (quoted !== line) return parseJson(quoted, parser, subject);
    const shown = line.length > 80 ? `${line.slice(0, 77)}...` : line;
    throw new HeadraceError(
      "ERR_PARSE",
      `${(error as Error).message}; the line was ${JSON.stringify(shown)}`,
      { cause: error },
    );
  }
}

function tooLong(bytes: number, limit: number): HeadraceError {
  return new HeadraceError("ERR_PARSE", `a message has ${bytes} bytes or more; at most ${limit} are read`);
}
