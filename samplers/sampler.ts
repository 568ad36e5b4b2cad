/**
 * Shards and a schedule in, batches out. Batch k is a pure function of both, so a sampler has nothing to save but where it stands.
 * It reads the rows of its own rank from the shards by position; past the decided part it waits for a stage, or throws if asked to,
 * and never guesses. The plan is known ahead, so whoever trains can call `batch` as early as it likes; the iterator reads ahead if asked to.
 */
import { watch } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import { type FilePool, openFilePool } from "../shards/files.ts";
import { readManifest, type ShardManifest } from "../shards/manifest.ts";
import { openPieces } from "../shards/pack/pieces.ts";
import { packFolder, readPack } from "../shards/pack/plan.ts";
import { tokenArray } from "../shards/schema.ts";
import { openStream } from "../shards/stream.ts";
import { checkRanges, type LossMaskOptions, lossMask } from "./loss-mask.ts";
import { openPlan, type Plan, rankPositions } from "./plan.ts";
import { boundariesOf, positionsOf } from "./row-shape.ts";
import { concatRows, packedRows, type RowSource } from "./row-source.ts";
import { runPaths } from "./run.ts";
import { decidedEnd, requireExtends, type Schedule, scheduleState } from "./schedule.ts";
import { readSchedule } from "./schedule-file.ts";
import { servedHash, servedKeys } from "./served.ts";
import { batchRowsOf } from "./stage.ts";

export interface SamplerOptions {
  /** Folder of shards. */
  readonly shards: string;
  /** A schedule in hand; or `run`. */
  readonly schedule?: Schedule;
  /** Run folder whose `schedule.json` is read, and read again when a batch is not decided. */
  readonly run?: string;
  /** Data-parallel rank, default 0. */
  readonly rank?: number;
  /** Data-parallel size W, default 1. */
  readonly world?: number;
  /** Rows of one step of one rank, m; default B / (W A). */
  readonly microBatch?: number;
  /** Steps a batch, A; default B / (W m), 1 where m is not given either. W m A = B. */
  readonly accumulation?: number;
  /** How long `batch` waits for a stage that decides it, in seconds; 0: throw at once. Default 600 with `run`, 0 with `schedule`. */
  readonly waitSeconds?: number;
  /** What `lossMask` masks beside padding and a row's first token. */
  readonly mask?: LossMaskOptions;
  /**
   * Decided batches that the iterator reads ahead, while whoever takes them waits for something else; default 0, and never more than so many are held.
   * They are dropped when the schedule is extended, since a stage may change what comes.
   */
  readonly prefetch?: number;
  /** Where the iterator begins, default 0; or a state from `state()`, which the schedule must extend. */
  readonly from?: number | SamplerState;
}

/** Where a sampler stands; one line of JSON, and all that a checkpoint needs of it. */
export interface SamplerState {
  /** The next batch of the iterator. */
  readonly batch: number;
  /** Stages known, and the hash of the last. */
  readonly stages: number;
  readonly hash: string;
}

/** The rows of one rank in one batch, in served order: step 0's rows, then step 1's, … */
export interface SampleBatch {
  readonly batch: number;
  /** Index of the stage in force. */
  readonly stage: number;
  readonly rows: number;
  /** Tokens a row: L + lookahead. */
  readonly width: number;
  /** rows x width. */
  readonly tokens: TokenIds;
  /** By row: index into the sampler's `domains`, pass over the domain, row of the epoch. */
  readonly domains: Uint16Array;
  readonly epochs: Uint32Array;
  readonly rowNumbers: Uint32Array;
  /** Whether the rows are those of a pack plan. */
  readonly packed: boolean;
  /** Served hash of these rows, 16 hex digits; the parts of all ranks add up to the batch's (addServed). */
  readonly served: string;
  /** Where documents start in a row, of a packed row the pieces of them: ascending, in [0, width). Reads the shards' offsets, or the pack plan, when called. */
  documentStarts(row: number): readonly number[];
  /** The stretches of its domain's stream that a row holds, in order: first token and tokens. What they leave of the width is padding. */
  stretches(row: number): readonly { readonly position: number; readonly tokens: number }[];
  /** Where what may attend to each other begins and ends: 0, the starts of documents, that of padding, and the width. Ascending. */
  boundaries(row: number): readonly number[];
  /** Each token's distance from the start of its document, or of the row or padding where that is nearer. */
  positionIds(row: number): Int32Array;
  /** 1 for each token of a row that counts as a target, as the sampler's `mask` says; 0 for padding and the first token always. */
  lossMask(row: number): Uint8Array;
}

/** Batches of a schedule, by index or one after another. */
export interface Sampler extends AsyncIterable<SampleBatch> {
  readonly manifest: ShardManifest;
  /** Names, in the order of the schedule. */
  readonly domains: readonly string[];
  readonly schedule: Schedule;
  /** First batch that is not decided; `final`: the run ends there. */
  end(): { readonly batch: number; readonly final: boolean };
  /**
   * This rank's rows of a batch; does not move the iterator. One positioned read a row.
   * Throws ERR_UNDECIDED where the batch is not decided in time or is past the end, ERR_SHARD where a file is cut.
   */
  batch(k: number): Promise<SampleBatch>;
  /** After the batch that the iterator gave last, whether or not it was trained on. */
  state(): SamplerState;
  /** Takes a longer schedule. Throws ERR_SCHEDULE when it does not begin with the one in hand or revises a batch that was given, ERR_WORLD. */
  extend(schedule: Schedule): void;
  /** Closes the files. */
  close(): void;
}

/**
 * Opens a sampler. Reads the manifest and the schedule, no shard.
 * Throws ERR_MANIFEST when the shards are not those of the schedule, ERR_DOMAIN when they lack a domain, ERR_WORLD, ERR_SCHEDULE.
 */
export async function openSampler(options: SamplerOptions): Promise<Sampler> {
  const { shards, run, waitSeconds = run === undefined ? 0 : 600 } = options;
  const path = run === undefined ? null : runPaths(run).schedule;
  if ((options.schedule === undefined) === (path === null))
    throw new HeadraceError("ERR_ARGUMENT", "openSampler takes one of `schedule` and `run`");
  let schedule = options.schedule ?? (await readSchedule(path!));
  const manifest = await readManifest(shards);
  requireShards(schedule, manifest, shards);
  const { header } = schedule;
  requireWorld(options, schedule);
  const from = options.from ?? 0;
  if (typeof from === "object") requireExtends(schedule, from);

  const names = header.domains.map(({ name }) => name);
  const { mask = {}, prefetch = 0 } = options;
  /** Batches that are read before they are asked for. */
  const ahead = new Map<number, Promise<SampleBatch>>();
  const within = mask.withinDocuments ?? header.packing === "packed";
  checkRanges(mask.ranges, names);
  const keys = servedKeys(names);
  const files = openFilePool();
  const sources = await openSources(shards, manifest, schedule, files);
  const width = header.rowTokens + header.lookahead;
  let plan: Plan = openPlan(schedule);
  /** After the last batch that was given. */
  let given = 0;
  let next = typeof from === "object" ? from.batch : from;

  function extend(longer: Schedule): void {
    requireExtends(longer, scheduleState(schedule));
    if (longer.stages.length === schedule.stages.length) return;
    requireNotGiven(longer, schedule.stages.length, given);
    requireWorld(options, longer);
    schedule = longer;
    plan = openPlan(longer);
    ahead.clear();
  }

  /** Begins to read what the iterator will give next. A turn of the event loop lies before each, so that they do not hold up who has just been given one. */
  function readAhead(): void {
    const until = Math.min(next + prefetch, plan.end().batch);
    for (let k = next; k < until; k++) {
      if (ahead.has(k)) continue;
      const earlier = ahead.get(k - 1);
      const reading = Promise.resolve(earlier)
        .catch(() => {})
        .then(() => nextTurn())
        .then(() => read(k));
      // Whoever comes to the batch is told; one that is dropped tells nobody.
      reading.catch(() => {});
      ahead.set(k, reading);
    }
  }

  async function requireDecided(k: number): Promise<void> {
    const undecided = () => k >= plan.end().batch && !plan.end().final;
    if (!undecided() || waitSeconds === 0) return;
    const until = Date.now() + 1000 * waitSeconds;
    for await (const _ of changes(path, until)) {
      if (path !== null) extend(await readSchedule(path));
      if (!undecided()) return;
    }
    throw new HeadraceError(
      "ERR_UNDECIDED",
      `batch ${k} was not decided within ${waitSeconds} s; the schedule decides ${plan.end().batch} batches: send the loss report that is due, or wait longer`,
    );
  }

  async function batch(k: number): Promise<SampleBatch> {
    const served = await read(k);
    given = Math.max(given, k + 1);
    return served;
  }

  /** A batch that may never be given to anybody. */
  async function read(k: number): Promise<SampleBatch> {
    await requireDecided(k);
    const positions = rankShare(options, plan.batchRows(k), header.batchRows);
    const { stage, domains, epochs, rows: rowNumbers, starts } = plan.batch(k, positions);
    const rows = positions.length;
    const tokens = tokenArray(manifest.tokenType, rows * width);
    for (let row = 0; row < rows; row++)
      sources[domains[row]!]!.read(starts[row]!, tokens.subarray(row * width, (row + 1) * width));
    const sourceOf = (row: number) => sources[domains[row]!]!;
    const boundaries = (row: number) => {
      const filled = sourceOf(row)
        .stretches(starts[row]!, width)
        .reduce((sum, stretch) => sum + stretch.tokens, 0);
      return boundariesOf(sourceOf(row).documentStarts(starts[row]!, width), filled, width);
    };
    return {
      batch: k,
      stage,
      rows,
      width,
      tokens,
      domains,
      epochs,
      rowNumbers,
      packed: header.packing === "packed",
      served: servedHash(keys, { domains, epochs, rows: rowNumbers }),
      documentStarts: (row) => sourceOf(row).documentStarts(starts[row]!, width),
      stretches: (row) => sourceOf(row).stretches(starts[row]!, width),
      boundaries,
      positionIds: (row) => positionsOf(boundaries(row)),
      lossMask: (row) =>
        lossMask({
          tokens: tokens.subarray(row * width, (row + 1) * width),
          stretches: sourceOf(row).stretches(starts[row]!, width),
          starts: within ? sourceOf(row).documentStarts(starts[row]!, width) : [],
          bos: mask.bos === false ? manifest.tokenizer.bos : null,
          ranges: mask.ranges?.[names[domains[row]!]!] ?? [],
        }),
    };
  }

  return {
    manifest,
    domains: names,
    get schedule() {
      return schedule;
    },
    end: () => plan.end(),
    batch,
    state: () => ({ batch: next, ...scheduleState(schedule) }),
    extend,
    close: () => files.close(),
    async *[Symbol.asyncIterator]() {
      ahead.clear();
      for (;;) {
        if (decidedEnd(schedule).final && next >= decidedEnd(schedule).batch) return;
        let served: SampleBatch;
        try {
          const reading = ahead.get(next) ?? read(next);
          ahead.delete(next);
          served = await reading;
          given = Math.max(given, next + 1);
        } catch (error) {
          // The stage that was waited for may have ended the run.
          if (decidedEnd(schedule).final && next >= decidedEnd(schedule).batch) return;
          throw error;
        }
        next++;
        readAhead();
        yield served;
      }
    },
  };
}

/** Throws ERR_DOMAIN when shards lack a domain of a schedule, and ERR_MANIFEST when they are other shards than it was made for. */
export function requireShards({ header }: Schedule, manifest: ShardManifest, folder: string): void {
  const absent = header.domains.find(({ name }) => !manifest.domains.includes(name));
  if (absent)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `the schedule draws on domain "${absent.name}", ${folder} has ${manifest.domains.join(", ")}; name the shards that the schedule was made for`,
    );
  if (manifest.fingerprint !== header.shards)
    throw new HeadraceError(
      "ERR_MANIFEST",
      `${folder} has fingerprint ${manifest.fingerprint.slice(0, 16)}…, the schedule was made for ${header.shards.slice(0, 16)}…; name the shards it was made for, or start a new run on these`,
    );
}

/** The rows of each domain of a schedule. Throws ERR_INPUT and ERR_MANIFEST where the pack plan that it names is not there or is another. */
async function openSources(
  shards: string,
  manifest: ShardManifest,
  { header }: Schedule,
  files: FilePool,
): Promise<readonly RowSource[]> {
  const { pack } = header;
  const streams = header.domains.map(({ name }) => openStream(shards, manifest, "train", name, { files }));
  if (pack === undefined) return streams.map(concatRows);
  const { padding } = await readPack(shards, pack, manifest.fingerprint);
  const folder = packFolder(shards, pack);
  return streams.map((stream, i) =>
    packedRows(stream, openPieces(folder, header.domains[i]!.name, files), padding),
  );
}

/** Throws ERR_WORLD when a batch of any stage cannot be shared out: before the first batch, not at the stage that it stops at. */
function requireWorld(options: SamplerOptions, { header, stages }: Schedule): void {
  for (const rows of new Set([header.batchRows, ...stages.map((stage) => batchRowsOf(header, stage))]))
    rankShare(options, rows, header.batchRows);
}

/** Throws ERR_SCHEDULE when a stage from number `known` on revises a batch before `given`. */
function requireNotGiven({ stages }: Schedule, known: number, given: number): void {
  const late = stages.findIndex(
    ({ revises, fromBatch }, i) => i >= known && revises !== undefined && fromBatch < given,
  );
  if (late >= 0)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `stage ${late} revises the plan from batch ${stages[late]!.fromBatch} on, and this sampler has given ${given} batches; open it again at a checkpoint at or before that batch`,
    );
}

/** The share of a batch. Where micro-batch and accumulation are both given they make the header's batch; a batch of other size takes more or fewer steps. */
function rankShare(options: SamplerOptions, batchRows: number, headerRows: number): Uint32Array {
  const { rank = 0, world = 1 } = options;
  const fixed = batchRows === headerRows ? options.accumulation : undefined;
  const accumulation =
    fixed ?? (options.microBatch ? batchRows / (world * options.microBatch) : (options.accumulation ?? 1));
  const microBatch = options.microBatch ?? batchRows / (world * accumulation);
  return rankPositions({ world, rank, microBatch, accumulation }, batchRows);
}

/** Yields at once, then when a file may have changed, and at least every 200 ms, until a time is over. */
async function* changes(path: string | null, until: number): AsyncGenerator<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let wake = resolve;
  let changed = promise;
  const watcher = path === null ? null : watchFolder(path, () => wake());
  try {
    for (;;) {
      yield;
      const left = until - Date.now();
      if (left <= 0) return;
      await Promise.race([changed, sleep(Math.min(200, left))]);
      ({ promise: changed, resolve: wake } = Promise.withResolvers<void>());
    }
  } finally {
    watcher?.close();
  }
}

/** Watching is a courtesy that some file systems do not offer; the clock does without. */
function watchFolder(path: string, changed: () => void): { close(): void } | null {
  try {
    const watcher = watch(path, { persistent: false }, changed);
    watcher.on("error", () => {});
    return watcher;
  } catch {
    return null;
  }
}
