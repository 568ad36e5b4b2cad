/**
 * What is said on the host's socket, from the first hello to the last done: who is there, whose turn it is, and what breaks the rules
 * (docs/trainer-protocol.md 2, 3 and 6). It knows nothing of runs; what messages mean is its handler's business.
 */
import { timingSafeEqual } from "node:crypto";
import { rmSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { addServed } from "../samplers/index.ts";
import {
  type Acknowledgement,
  type ClientMessage,
  formatMessage,
  HELLO_BYTES,
  type Hello,
  type HostMessage,
  lineSplitter,
  MESSAGE_BYTES,
  PROTOCOL,
  parseClientMessage,
  type StageMessage,
  type TrainerState,
  type Welcome,
} from "./protocol.ts";

/** What the owner of a host does with what clients say. An error thrown here is told to the trainer and ends the conversation. */
export interface HostHandler {
  ready(state: TrainerState, client: string): Promise<void>;
  /** A batch that all ranks acknowledged, with the hash of the whole. `measured` is rank 0's. */
  acknowledge(batch: number, served: string, measured: Acknowledgement): Promise<void>;
  report(report: unknown): Promise<Omit<StageMessage, "type">>;
  checkpoint(batch: number): Promise<void>;
}

export interface HostOptions {
  readonly welcome: Omit<Welcome, "type" | "protocol">;
  readonly handler: HostHandler;
  /** `tcp:host:port` (port 0: any free one) or `unix:/path`; default a socket in a folder that only this user can enter. */
  readonly listen?: string | undefined;
  /** Seconds to wait for every rank's hello; null: for ever. */
  readonly startSeconds: number | null;
  /** Seconds without ready, ack, report or checkpoint after which a trainer that still beats is given up. */
  readonly stallSeconds: number;
}

/** The connection ended without a word: the process that held it can say more. */
export class ConnectionLost extends HeadraceError {}

const HELLO_SECONDS = 10;
/** Connections at a time, strangers included: each keeps at most HELLO_BYTES until its hello. */
const CONNECTIONS = 4096;
/** Batches that a rank may be ahead of the slowest; real ones are a few apart, and each keeps its hash here. */
const AHEAD = 65_536;
const LAST_WORD_SECONDS = 1;

interface Peer {
  readonly socket: Socket;
  readonly rank: number;
  readonly client: string;
  /** Whether it speaks for all ranks. */
  readonly alone: boolean;
  /** Name of its machine; null where it did not say. */
  readonly machine: string | null;
  heardAt: number;
  /** When it last sent more than a heartbeat. */
  movedAt: number;
  /** A message of this peer is being handled, so it is not being read. */
  busy: boolean;
  /** The batch it must acknowledge next; null before `ready`. */
  next: number | null;
  done: boolean;
}

/** The conversation of one host with the ranks of one trainer. */
export class Conversation {
  readonly finished: Promise<number>;
  readonly #token: string;
  readonly #options: HostOptions;
  readonly #server: Server;
  readonly #folder: string | null;
  readonly #peers = new Map<number, Peer>();
  readonly #sockets = new Set<Socket>();
  /** Parts of batches that not every rank has acknowledged. */
  readonly #parts = new Map<number, { served: string; ranks: number; measured: Acknowledgement | null }>();
  readonly #timer: NodeJS.Timeout;
  #resolve: (batch: number) => void = () => {};
  #reject: (error: HeadraceError) => void = () => {};
  #over = false;
  #world: number | null = null;
  #ready: TrainerState | null = null;
  #progressAt = Date.now();
  #tickedAt = Date.now();

  constructor(options: HostOptions, server: Server, folder: string | null, token: string) {
    this.#options = options;
    this.#server = server;
    this.#folder = folder;
    this.#token = token;
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.finished.catch(() => {});
    server.maxConnections = CONNECTIONS;
    server.on("connection", (socket) => void this.#serve(socket));
    this.#timer = setInterval(() => this.#tick(), 1000 * options.welcome.heartbeatSeconds);
  }

  connections(): number {
    return this.#sockets.size;
  }

  stop(reason: string): void {
    this.#broadcast({ type: "stop", reason });
  }

  async close(error?: HeadraceError): Promise<void> {
    if (error) this.#broadcast({ type: "error", code: error.code, message: error.message });
    this.#over = true;
    clearInterval(this.#timer);
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    await Promise.all([...this.#sockets].map(hangUp));
    await closed;
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** One connection from its first byte to its last. */
  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    let peer: Peer | null = null;
    const silent = setTimeout(() => socket.destroy(), 1000 * HELLO_SECONDS);
    try {
      const splitter = lineSplitter(() => (peer === null ? HELLO_BYTES : MESSAGE_BYTES));
      // The iterator must not destroy the socket: what it was told last would be lost with what it has sent meanwhile.
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        if (peer) peer.heardAt = Date.now();
        for (const line of splitter.push(chunk as Uint8Array)) {
          if (this.#over) return;
          const message = parseClientMessage(line);
          if (peer === null) {
            peer = this.#greet(socket, message);
            clearTimeout(silent);
            if (peer === null) return;
            continue;
          }
          peer.busy = true;
          await this.#handle(peer, message);
          peer.busy = false;
          peer.heardAt = Date.now();
        }
      }
      if (peer && !peer.done) this.#lost(peer);
    } catch (error) {
      if (peer === null) this.#refuse(socket, `no hello: ${messageOf(error)}`);
      else if (error instanceof HeadraceError) this.#fail(error);
      else if ((error as NodeJS.ErrnoException).syscall === "read" || socket.destroyed) this.#lost(peer);
      else this.#fail(new HeadraceError("ERR_TRAINER", messageOf(error), { cause: error }));
    } finally {
      clearTimeout(silent);
      await hangUp(socket);
      this.#sockets.delete(socket);
    }
  }

  /** Welcomes a client that knows the token. A stranger is turned away and does not disturb the run. */
  #greet(socket: Socket, message: ClientMessage): Peer | null {
    if (message.type !== "hello")
      return this.#refuse(socket, `the first message is ${message.type}, not hello`);
    const given = Buffer.from(message.token);
    const known = Buffer.from(this.#token);
    if (given.length !== known.length || !timingSafeEqual(given, known))
      return this.#refuse(
        socket,
        "wrong token; take HEADRACE_TOKEN from the environment that headrace gives",
      );
    const problem = this.#problemOf(message);
    if (problem) {
      this.#refuse(socket, problem);
      this.#fail(new HeadraceError("ERR_TRAINER", `trainer ${message.client}: ${problem}`));
      return null;
    }
    this.#world = message.world;
    const peer: Peer = {
      socket,
      rank: message.rank,
      client: message.client,
      alone: message.world === 1,
      machine: message.host ?? null,
      heardAt: Date.now(),
      movedAt: Date.now(),
      busy: false,
      next: null,
      done: false,
    };
    this.#peers.set(message.rank, peer);
    this.#progressAt = Date.now();
    send(socket, { type: "welcome", protocol: PROTOCOL, ...this.#options.welcome });
    return peer;
  }

  #problemOf(hello: Hello): string | null {
    if (hello.protocol !== PROTOCOL)
      return `it speaks protocol ${hello.protocol}, this headrace speaks ${PROTOCOL}; install the client of this version`;
    if (hello.rank >= hello.world)
      return `rank ${hello.rank} of world ${hello.world}; ranks are 0 to world - 1`;
    if (this.#world !== null && hello.world !== this.#world)
      return `rank ${hello.rank} says the world is ${hello.world}, an earlier one said ${this.#world}`;
    if (this.#peers.has(hello.rank))
      return `two connections say they are rank ${hello.rank}; give each its own rank, or connect from rank 0 alone`;
    return null;
  }

  async #handle(peer: Peer, message: ClientMessage): Promise<void> {
    const { handler } = this.#options;
    if (message.type !== "heartbeat") {
      this.#progressAt = Date.now();
      peer.movedAt = this.#progressAt;
    }
    switch (message.type) {
      case "heartbeat":
        return;
      case "hello":
        throw broken(peer, "said hello twice");
      case "ready":
        if (peer.next !== null) throw broken(peer, "was ready twice");
        peer.next = message.batch;
        if (this.#ready === null) {
          this.#ready = message;
          await handler.ready(message, peer.client);
        } else if (this.#ready.batch !== message.batch || this.#ready.hash !== message.hash)
          throw broken(
            peer,
            `is ready at batch ${message.batch} (${message.hash.slice(0, 12)}), another rank at ${this.#ready.batch} (${this.#ready.hash.slice(0, 12)}); load the same checkpoint on every rank`,
          );
        return;
      case "ack":
        if (message.batch !== peer.next)
          throw broken(peer, `acknowledged batch ${message.batch}; expected ${peer.next ?? "ready first"}`);
        peer.next = message.batch + 1;
        await this.#acknowledge(peer, message);
        return;
      case "report":
        this.#requireFirst(peer, message.type);
        this.#broadcast({ type: "stage", ...(await handler.report(message.report)) });
        this.#progressAt = Date.now();
        return;
      case "checkpoint":
        this.#requireFirst(peer, message.type);
        await handler.checkpoint(message.batch);
        return;
      case "done":
        peer.done = true;
        if ([...this.#peers.values()].filter(({ done }) => done).length === this.#world) {
          this.#over = true;
          this.#resolve(message.batch);
        }
        return;
      case "error":
        throw broken(peer, `gave up: ${message.message}`);
      default:
        message satisfies never;
    }
  }

  async #acknowledge(peer: Peer, message: Acknowledgement): Promise<void> {
    const part = this.#parts.get(message.batch);
    const whole = {
      served: part ? addServed(part.served, message.served) : message.served,
      ranks: (part?.ranks ?? 0) + 1,
      measured: peer.rank === 0 ? message : (part?.measured ?? null),
    };
    if (whole.ranks < this.#world!) {
      this.#parts.set(message.batch, whole);
      if (this.#parts.size > AHEAD) throw broken(peer, `is ${AHEAD} batches ahead; ${this.#behind()}`);
      return;
    }
    this.#parts.delete(message.batch);
    await this.#options.handler.acknowledge(message.batch, whole.served, whole.measured ?? message);
  }

  #requireFirst(peer: Peer, what: string): void {
    if (peer.rank !== 0) throw broken(peer, `sent a ${what}; rank 0 alone does`);
    if (peer.next === null) throw broken(peer, `sent a ${what} before ready`);
  }

  #tick(): void {
    const { startSeconds, stallSeconds, welcome } = this.#options;
    const now = Date.now();
    // A late tick means that this process was busy or asleep and could not have heard anything.
    const late = now - this.#tickedAt - 1000 * welcome.heartbeatSeconds;
    this.#tickedAt = now;
    if (late > 1000 * welcome.heartbeatSeconds) {
      this.#progressAt += late;
      for (const peer of this.#peers.values()) peer.heardAt = now;
    }
    if (this.#over) return;
    if (this.#peers.size < (this.#world ?? 1)) {
      if (startSeconds !== null && now - this.#progressAt > 1000 * startSeconds)
        this.#fail(
          new HeadraceError(
            "ERR_TRAINER",
            this.#world === null
              ? `trainer did not connect within ${startSeconds} s`
              : `${this.#peers.size} of ${this.#world} ranks connected within ${startSeconds} s; missing: ${this.#missing()}`,
          ),
        );
    } else if (now - this.#progressAt > 1000 * stallSeconds && ![...this.#peers.values()].some((p) => p.busy))
      this.#fail(
        new HeadraceError(
          "ERR_TRAINER",
          `trainer beats but made no progress for ${stallSeconds} s; ${this.#behind()}`,
        ),
      );
    for (const peer of this.#peers.values())
      if (!peer.done && !peer.busy && now - peer.heardAt > 1000 * welcome.timeoutSeconds)
        this.#fail(
          new HeadraceError(
            "ERR_TRAINER",
            `${nameOf(peer)} was silent for ${welcome.timeoutSeconds} s; it hangs, or its machine is gone`,
          ),
        );
    this.#broadcast({ type: "heartbeat" });
  }

  /** Who holds the others up: the ranks that have come least far, by where they stand and how long ago they moved. */
  #behind(): string {
    const peers = [...this.#peers.values()].filter(({ done }) => !done);
    const least = Math.min(...peers.map(({ next }) => next ?? -1));
    const last = peers.filter(({ next }) => (next ?? -1) === least).sort((a, b) => a.movedAt - b.movedAt);
    const ago = (peer: Peer) => Math.round((Date.now() - peer.movedAt) / 1000);
    if (this.#world === 1) return "it hangs";
    return `behind: ${listed(last.map((peer) => `${nameOf(peer)} (${ago(peer)} s ago)`))}`;
  }

  #missing(): string {
    const ranks = Array.from({ length: Math.min(this.#world!, CONNECTIONS) }, (_, rank) => rank);
    return listed(ranks.filter((rank) => !this.#peers.has(rank)).map((rank) => `rank ${rank}`));
  }

  #broadcast(message: HostMessage): void {
    for (const { socket, done } of this.#peers.values()) if (!done) send(socket, message);
  }

  #refuse(socket: Socket, why: string): null {
    send(socket, { type: "error", code: "ERR_TRAINER", message: why });
    return null;
  }

  #lost(peer: Peer): void {
    this.#fail(new ConnectionLost("ERR_TRAINER", `${nameOf(peer)} closed the connection before it was done`));
  }

  #fail(error: HeadraceError): void {
    if (this.#over) return;
    this.#broadcast({ type: "error", code: error.code, message: error.message });
    this.#over = true;
    this.#reject(error);
  }
}

/** Ends a connection so that its last message arrives: the other side is read on, unheard, until it closes or a second is over. */
async function hangUp(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((closed) => {
    const late = setTimeout(() => socket.destroy(), 1000 * LAST_WORD_SECONDS);
    socket.once("close", () => {
      clearTimeout(late);
      closed();
    });
    socket.end();
    socket.resume();
  });
}

function send(socket: Socket, message: HostMessage): void {
  if (socket.writable) socket.write(formatMessage(message));
}

/** A rank for people: its number, machine and last batch; a trainer that connects once is "trainer". */
function nameOf(peer: Peer): string {
  const name = peer.rank === 0 ? "trainer" : `trainer rank ${peer.rank}`;
  const at =
    peer.next === null
      ? "before its first batch"
      : peer.next === 0
        ? "after no batch"
        : `last batch ${peer.next - 1}`;
  return peer.machine === null || peer.alone ? name : `${name} on ${peer.machine.slice(0, 64)} (${at})`;
}

/** The first few names of a list. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}

function broken(peer: Peer, what: string): HeadraceError {
  return new HeadraceError("ERR_TRAINER", `${nameOf(peer)} ${what}`);
}
