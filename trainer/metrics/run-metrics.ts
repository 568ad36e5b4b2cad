/**
 * The live numbers of a run, written while it trains: JSON lines in the run folder always, TensorBoard events and Prometheus where asked for
 * (docs/metrics.md). They are for watching: nothing reads them back, and what cannot be written is said once and ends no training.
 */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { liveNumbers, type Plan } from "../../samplers/index.ts";
import { fileVersionRecord, scalarsRecord } from "./events.ts";
import { type MetricsLine, scalarsOf } from "./line.ts";
import { PROMETHEUS_TYPE, prometheusText } from "./prometheus.ts";

export interface MetricsOptions {
  /** Seconds between two lines, default 10. The first batch of a process, each stage and the end have a line of their own. */
  readonly metricsSeconds?: number;
  /** Folder for TensorBoard's event files. */
  readonly tensorboard?: string;
  /** File for Prometheus, replaced whole at each line (node_exporter's textfile collector reads `*.prom`). */
  readonly prometheus?: string;
  /** `[host:]port` at which Prometheus may ask; host 127.0.0.1 unless given, port 0 for any free one. */
  readonly metricsListen?: string;
}

/** What writes the numbers of one run. */
export class RunMetrics {
  /** What could not be written, for people; null if nothing failed. */
  problem: string | null = null;
  /** Where Prometheus may ask, `http://host:port/metrics`; null where it may not. */
  url: string | null = null;
  readonly #run: string;
  readonly #path: string;
  readonly #options: MetricsOptions;
  readonly #events: string | null;
  readonly #now: () => number;
  #server: Server | null = null;
  #losses: Readonly<Record<string, number>>;
  #line: MetricsLine | null = null;
  #pending: { readonly plan: Plan; readonly batch: number; readonly loss: number | null } | null = null;
  #loss: number | null = null;

  /** `losses` are those of the newest report. `now` gives seconds since 1970. Use `openMetrics`. */
  constructor(
    folder: string,
    losses: Readonly<Record<string, number>>,
    options: MetricsOptions,
    now: () => number = () => Date.now() / 1000,
  ) {
    this.#run = basename(folder);
    this.#path = join(folder, "metrics.jsonl");
    this.#losses = losses;
    this.#options = options;
    this.#now = now;
    const { tensorboard } = options;
    this.#events =
      tensorboard === undefined
        ? null
        : join(
            tensorboard,
            `events.out.tfevents.${String(Math.floor(now())).padStart(10, "0")}.${hostname()}.${process.pid}.headrace`,
          );
    this.#attempt(() => {
      if (!this.#events) return;
      mkdirSync(tensorboard!, { recursive: true });
      appendFileSync(this.#events, fileVersionRecord(now()));
    });
  }

  /** A batch was trained on: `batch` of them so far. Writes a line if one is due. */
  batch(plan: Plan, batch: number, loss: number | null): void {
    if (loss !== null) this.#loss = loss;
    const due = this.#line === null || this.#now() - this.#line.time >= (this.#options.metricsSeconds ?? 10);
    this.#pending = { plan, batch, loss: this.#loss };
    if (due) this.#write();
  }

  /** Losses were reported, mean nats a token; `plan` knows the stage that they led to. Writes a line. */
  report(plan: Plan, batch: number, losses: Readonly<Record<string, number>>): void {
    this.#losses = losses;
    this.#pending = { plan, batch, loss: this.#loss };
    this.#write();
  }

  /** Writes what was not written yet, and stops answering. */
  async close(): Promise<void> {
    this.#write();
    const server = this.#server;
    if (server) await new Promise<void>((closed) => server.close(() => closed()));
  }

  /** Begins to answer Prometheus, where that was asked for. Throws ERR_ARGUMENT when the port cannot be used. */
  async listen(): Promise<void> {
    const asked = this.#options.metricsListen;
    if (asked === undefined) return;
    const match = /^(?:(\[[^\]]+\]|[^:]+):)?(\d{1,5})$/.exec(asked);
    const host = match?.[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1";
    const server = createServer((request, answer) => {
      const known = request.url === "/metrics" && (request.method === "GET" || request.method === "HEAD");
      answer.writeHead(known ? 200 : 404, { "content-type": PROMETHEUS_TYPE, connection: "close" });
      answer.end(known && this.#line ? prometheusText(this.#run, this.#line) : "");
    });
    try {
      if (!match || Number(match[2]) > 65_535) throw new Error("expected [host:]port");
      await new Promise<void>((listening, failed) => {
        server.once("error", failed);
        server.listen(Number(match[2]), host, listening);
      });
    } catch (cause) {
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `metrics cannot be offered at ${JSON.stringify(asked)}: ${messageOf(cause)}; choose another port`,
        { cause },
      );
    }
    server.unref();
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}/metrics`;
  }

  #write(): void {
    const pending = this.#pending;
    if (pending === null || this.problem !== null) return;
    this.#pending = null;
    const before = this.#line;
    const time = this.#now();
    const numbers = liveNumbers(pending.plan, pending.batch, this.#losses);
    const seconds = before ? time - before.time : 0;
    const line: MetricsLine = {
      time,
      ...numbers,
      loss: pending.loss,
      tokensPerSecond: seconds > 0 ? Math.max(0, numbers.tokens - before!.tokens) / seconds : null,
    };
    this.#line = line;
    this.#attempt(() => {
      appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
      if (this.#events) appendFileSync(this.#events, scalarsRecord(time, line.batch, scalarsOf(line)));
      const { prometheus } = this.#options;
      if (prometheus === undefined) return;
      writeFileSync(`${prometheus}.tmp`, prometheusText(this.#run, line));
      renameSync(`${prometheus}.tmp`, prometheus);
    });
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.problem = `live numbers are written no more: ${messageOf(error)}`;
    }
  }
}
