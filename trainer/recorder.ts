/**
 * What a trainer says, turned into the record of the run: acknowledged batches become lines of the served log, loss reports become stages.
 * Every batch is checked against the plan before its line is written.
 */
import { HeadraceError } from "../core/errors.ts";
import {
  checkLossReport,
  meanLosses,
  measurableDomains,
  openPlan,
  type Plan,
  plannedHashes,
  type RunPaths,
  requireExtends,
  reweight,
  type Schedule,
  type ServedLog,
  type ShardManifest,
  scheduleState,
} from "../samplers/index.ts";
import type { HostHandler } from "./conversation.ts";
import type { RunMetrics } from "./metrics/run-metrics.ts";
import type { Acknowledgement, TrainerState } from "./protocol.ts";

/** How far a run has come. */
export interface TrainProgress {
  readonly batch: number;
  /** Batches of the run; fewer than planned once it is decided that it stops early. */
  readonly batches: number;
  readonly tokens: number;
  readonly stages: number;
  /** Of the last batch that said so, nats a token. */
  readonly loss: number | null;
}

/** What the trainer says, turned into lines, reports and stages. */
export class RunRecorder implements HostHandler {
  /** Batches acknowledged to this object. */
  trained = 0;
  /** Tokens of these. */
  tokens = 0;
  readonly notes: string[] = [];
  schedule: Schedule;
  readonly #paths: RunPaths;
  readonly #log: ServedLog;
  readonly #required: readonly string[];
  readonly #onProgress: ((progress: TrainProgress) => void) | undefined;
  readonly #metrics: RunMetrics | undefined;
  #plan: Plan;
  #hashOf: (batch: number) => string;
  #reports = 0;
  #at = 0;

  constructor(
    paths: RunPaths,
    log: ServedLog,
    schedule: Schedule,
    manifest: ShardManifest,
    onProgress: ((progress: TrainProgress) => void) | undefined,
    metrics?: RunMetrics,
  ) {
    const names = schedule.header.domains.map(({ name }) => name);
    this.#paths = paths;
    this.#log = log;
    this.#required = measurableDomains(manifest, names);
    this.#onProgress = onProgress;
    this.#metrics = metrics;
    this.schedule = schedule;
    this.#plan = openPlan(schedule);
    this.#hashOf = plannedHashes(this.#plan);
  }

  async ready(state: TrainerState): Promise<void> {
    requireExtends(this.schedule, state);
    const end = this.#plan.end().batch;
    if (state.batch > end)
      throw new HeadraceError(
        "ERR_TRAINER",
        `trainer is ready at batch ${state.batch}, only ${end} are decided; its checkpoint belongs to another run: empty ${this.#paths.checkpoints}`,
      );
    const from = this.#log.next;
    for (let k = from; k < state.batch; k++) this.#log.append(k, this.#hashOf(k));
    if (from < state.batch)
      this.notes.push(
        `the checkpoint is at batch ${state.batch}, the served log ended at ${from}: the lines between were written from the plan`,
      );
    this.#log.sync();
    this.#at = state.batch;
  }

  async acknowledge(batch: number, served: string, { loss }: Acknowledgement): Promise<void> {
    const planned = this.#hashOf(batch);
    if (served !== planned)
      throw new HeadraceError(
        "ERR_REPLAY",
        `trainer consumed rows with served hash ${served} in batch ${batch}, the schedule gives ${planned}; it reads other shards, another schedule or another plan`,
      );
    this.#log.append(batch, served);
    this.trained++;
    this.tokens += this.#plan.tokens(batch + 1) - this.#plan.tokens(batch);
    this.#at = batch + 1;
    this.#metrics?.batch(this.#plan, this.#at, loss ?? null);
    this.#show(loss ?? null);
  }

  async report(value: unknown) {
    const names = this.schedule.header.domains.map(({ name }) => name);
    const report = checkLossReport(value, names, { required: this.#required });
    if (report.measuredAt !== this.#at)
      throw new HeadraceError(
        "ERR_TRAINER",
        `trainer reports losses measured at batch ${report.measuredAt} after ${this.#at} batches; report what the model in hand was trained on`,
      );
    this.#log.sync();
    const { schedule } = await reweight(this.#paths.folder, report);
    this.schedule = schedule;
    this.#plan = openPlan(schedule);
    this.#hashOf = plannedHashes(this.#plan);
    this.#reports++;
    this.#metrics?.report(this.#plan, this.#at, meanLosses(report.domains, Object.keys(report.domains)));
    this.#show(null);
    const end = this.#plan.end();
    return { ...scheduleState(schedule), decidedUntil: end.final ? null : end.batch };
  }

  async checkpoint(): Promise<void> {
    this.#log.sync();
  }

  describe(): string {
    const before = this.#reports === 0 ? ", before any loss report" : "";
    return `after ${this.#at} batches${before}`;
  }

  #show(loss: number | null): void {
    const { batches } = this.schedule.header;
    const end = this.#plan.end();
    this.#onProgress?.({
      batch: this.#at,
      batches: end.final ? end.batch : batches!,
      tokens: this.#plan.tokens(this.#at),
      stages: this.schedule.stages.length,
      loss,
    });
  }
}
