/**
 * The trainer's end of the protocol (docs/trainer-protocol.md), for trainers written in TypeScript; `headrace.client` is its Python twin.
 * Promises heartbeats while the event loop turns, and an error from the next call when headrace is gone: a client never outlives its host.
 */
import { connect as connectSocket, type Socket } from "node:net";
import { hostname } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { HeadraceError } from "../core/errors.ts";
import type { LossReport } from "../samplers/index.ts";
import {
  type Acknowledgement,
  ADDRESS_VARIABLE,
  type ClientMessage,
  formatMessage,
  type HostMessage,
  lineSplitter,
  PROTOCOL,
  parseAddress,
  parseHostMessage,
  type StageMessage,
  TOKEN_VARIABLE,
  type TrainerState,
  type Welcome,
} from "./protocol.ts";

export interface ConnectOptions {
  /** Name and version of the trainer, for people. */
  readonly client: string;
  /** Default: HEADRACE_ADDRESS. */
  readonly address?: string;
  /** Default: HEADRACE_TOKEN. */
  readonly token?: string;
  /** Which of `world` connections this is; default 0 of 1. */
  readonly rank?: number;
  readonly world?: number;
}

/** A connection that has been welcomed. Every method rejects with ERR_TRAINER once the host is gone. */
export class TrainerClient {
  readonly welcome: Welcome;
  readonly #link: Link;

  /** Use connectTrainer. */
  constructor(link: Link, welcome: Welcome) {
    this.#link = link;
    this.welcome = welcome;
  }

  /** Why the host asked to end, or null. Ask between batches. */
  get stopped(): string | null {
    return this.#link.stopped;
  }

  /** Says which batches the model in hand was trained on. */
  async ready(state: TrainerState): Promise<void> {
    await this.#link.send({
      type: "ready",
      batch: state.batch,
      stages: state.stages,
      hash: state.hash,
    });
  }

  /** Says that a batch was trained on. Lets the event loop turn, so that heartbeats go out between synchronous steps. */
  async acknowledge(
    batch: number,
    served: string,
    measured: Pick<Acknowledgement, "loss" | "tokens" | "seconds"> = {},
  ): Promise<void> {
    await this.#link.send({ type: "ack", batch, served, ...measured });
  }

  /** Reports losses and waits for the stage that they lead to. */
  async report(report: LossReport): Promise<StageMessage> {
    const stage = this.#link.nextStage();
    await Promise.all([this.#link.send({ type: "report", report }), stage]);
    return await stage;
  }

  /** Waits for the stage after a report that another rank sent. */
  async stage(): Promise<StageMessage> {
    return await this.#link.nextStage();
  }

  /** Says that a checkpoint after `batch` batches is complete on disk. */
  async checkpoint(batch: number): Promise<void> {
    await this.#link.send({ type: "checkpoint", batch });
  }

  /** Says that there is nothing more to do, and closes. */
  async done(batch: number): Promise<void> {
    await this.#link.send({ type: "done", batch });
    await this.#link.close();
  }

  /** Tells the host what went wrong, and closes. Never throws. */
  async fail(message: string): Promise<void> {
    try {
      await this.#link.send({ type: "error", message });
      await this.#link.close();
    } catch {
      // The host is gone, so there is nobody to tell.
    }
  }
}

/** Connects to headrace and waits for its welcome. Throws ERR_ARGUMENT without an address or token, ERR_TRAINER when it is turned away. */
export async function connectTrainer(options: ConnectOptions): Promise<TrainerClient> {
  const address = options.address ?? process.env[ADDRESS_VARIABLE];
  const token = options.token ?? process.env[TOKEN_VARIABLE];
  if (!address || !token)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `${ADDRESS_VARIABLE} and ${TOKEN_VARIABLE} are not set; start the trainer with headrace train --trainer, or set what --attach prints`,
    );
  const where = parseAddress(address);
  const socket =
    where.kind === "unix" ? connectSocket(where.path) : connectSocket({ host: where.host, port: where.port });
  await new Promise<void>((done, failed) => {
    socket.once("connect", done);
    socket.once("error", (cause) =>
      failed(
        new HeadraceError(
          "ERR_TRAINER",
          `no headrace at ${address}: ${cause.message}; is it still running?`,
          {
            cause,
          },
        ),
      ),
    );
  });
  const link = new Link(socket);
  const welcome = link.nextWelcome();
  await Promise.all([
    link.send({
      type: "hello",
      protocol: PROTOCOL,
      token,
      rank: options.rank ?? 0,
      world: options.world ?? 1,
      client: options.client,
      host: hostname(),
    }),
    welcome,
  ]);
  return new TrainerClient(link, await welcome);
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** The socket with what arrived on it; `failure` is set once and for all. */
class Link {
  stopped: string | null = null;
  readonly #socket: Socket;
  readonly #stages: StageMessage[] = [];
  #stageWaiter: Waiter<StageMessage> | null = null;
  #welcomeWaiter: Waiter<Welcome> | null = null;
  #failure: HeadraceError | null = null;
  #closing = false;
  #heardAt = Date.now();
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    const splitter = lineSplitter();
    socket.on("data", (chunk: Buffer) => {
      this.#heardAt = Date.now();
      try {
        for (const line of splitter.push(chunk)) this.#receive(parseHostMessage(line));
      } catch (error) {
        this.#fail(error as HeadraceError);
      }
    });
    socket.on("error", (cause) => this.#fail(lost(cause.message)));
    socket.on("close", () => this.#fail(lost("it closed the connection")));
  }

  nextWelcome(): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      this.#welcomeWaiter = { resolve, reject };
      if (this.#failure) reject(this.#failure);
    });
  }

  nextStage(): Promise<StageMessage> {
    const stage = this.#stages.shift();
    if (stage) return Promise.resolve(stage);
    return new Promise((resolve, reject) => {
      this.#stageWaiter = { resolve, reject };
      if (this.#failure) reject(this.#failure);
    });
  }

  async send(message: ClientMessage): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (!this.#socket.write(formatMessage(message)))
      await new Promise<void>((resume) => {
        const go = (): void => {
          this.#socket.off("drain", go).off("close", go);
          resume();
        };
        this.#socket.on("drain", go).on("close", go);
      });
    else await nextTurn();
    if (this.#failure) throw this.#failure;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#stopTimer();
    await new Promise<void>((closed) => {
      this.#socket.once("close", () => closed());
      this.#socket.end();
    });
  }

  #receive(message: HostMessage): void {
    switch (message.type) {
      case "welcome":
        this.#startTimer(message);
        this.#welcomeWaiter?.resolve(message);
        this.#welcomeWaiter = null;
        return;
      case "stage":
        if (this.#stageWaiter) {
          this.#stageWaiter.resolve(message);
          this.#stageWaiter = null;
        } else this.#stages.push(message);
        return;
      case "stop":
        this.stopped = message.reason;
        return;
      case "heartbeat":
        return;
      case "error":
        this.#fail(
          new HeadraceError("ERR_TRAINER", `headrace ended the run: ${message.message}  [${message.code}]`),
        );
        return;
      default:
        message satisfies never;
    }
  }

  #startTimer({ heartbeatSeconds, timeoutSeconds }: Welcome): void {
    let tickedAt = Date.now();
    this.#timer = setInterval(() => {
      const now = Date.now();
      // A late tick means that this process was busy or asleep and could not have heard anything.
      if (now - tickedAt > 2000 * heartbeatSeconds) this.#heardAt = now;
      tickedAt = now;
      if (now - this.#heardAt > 1000 * timeoutSeconds)
        this.#fail(lost(`nothing was heard from it for ${timeoutSeconds} s`));
      else this.#socket.write(formatMessage({ type: "heartbeat" }));
    }, 1000 * heartbeatSeconds);
    this.#timer.unref();
  }

  #stopTimer(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  #fail(error: HeadraceError): void {
    if (this.#closing || this.#failure) return;
    this.#failure = error;
    this.#stopTimer();
    this.#socket.destroy();
    this.#welcomeWaiter?.reject(error);
    this.#stageWaiter?.reject(error);
    this.#welcomeWaiter = null;
    this.#stageWaiter = null;
  }
}

function lost(why: string): HeadraceError {
  return new HeadraceError(
    "ERR_TRAINER",
    `headrace is gone: ${why}; the newest checkpoint stands, start headrace train again`,
  );
}
