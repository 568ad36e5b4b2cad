/**
 * What an edited schedule would serve instead of the recorded one: the edit is sealed into a schedule of its own (rows served, deficits and hashes
 * follow from the weights), and the two plans are compared batch by batch. Nothing is written; the recorded run stays what it is.
 */
import { readFile } from "node:fs/promises";
import { domainWeights } from "../core/domain.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { canonicalJson } from "../core/hash.ts";
import { array, integer, nullable, number, object, optional, type Parser, parseJson } from "../core/parse.ts";
import { parseHeader } from "./header.ts";
import { openPlan } from "./plan.ts";
import { appendStage, createSchedule, decidedEnd } from "./schedule.ts";
import { epochRows } from "./schedule-domain.ts";
import { parseKind, type Revision, type Schedule, type StageCause } from "./stage.ts";

/** A domain in the first batch that departs, and by the end of what both decide. */
export interface DomainDeparture {
  readonly name: string;
  /** Rows in the first batch that departs. */
  readonly recorded: number;
  readonly edited: number;
  /** Rows served or passed over before the end of what both decide, and passes over the domain. */
  readonly recordedRows: number;
  readonly editedRows: number;
  readonly recordedEpochs: number;
  readonly editedEpochs: number;
}

/** How two schedules differ in what they serve. */
export interface EditReport {
  /** Fields of the header that differ. Any but `policy`, `exhaustion` and `batches` make other rows of every batch. */
  readonly header: readonly string[];
  /** Batches that both decide, and how many of them hold the same rows. */
  readonly compared: number;
  readonly same: number;
  /** The first batch that holds other rows, the tokens before it, and the stages that govern it; null where none does. */
  readonly departs: {
    readonly batch: number;
    readonly tokens: number;
    readonly recordedStage: number;
    readonly editedStage: number;
    /** Domains that give other rows in it. */
    readonly domains: readonly string[];
  } | null;
  readonly domains: readonly DomainDeparture[];
  /** First batch that each does not decide. */
  readonly recordedEnd: number;
  readonly editedEnd: number;
}

/** Fields of a header that change no row of a batch that both schedules decide. */
const HARMLESS: readonly string[] = ["policy", "exhaustion", "batches"];

/** A stage as a person may write it. */
interface EditedStage {
  readonly fromBatch: number;
  readonly untilBatch: number | null;
  readonly weights: readonly number[];
  readonly cause?: StageCause;
  readonly measuredAt?: number;
  readonly lag?: number;
  readonly revises?: Revision;
  readonly batchRows?: number;
  readonly skipped?: readonly number[];
}

const parseStage = object({
  fromBatch: integer(0),
  untilBatch: nullable(integer(0)),
  weights: array(number),
  cause: optional(parseKind),
  measuredAt: optional(integer(0)),
  lag: optional(integer(0)),
  revises: optional(parseKind),
  batchRows: optional(integer(1, 2 ** 20)),
  skipped: optional(array(integer(0))),
}) as Parser<EditedStage>;

/**
 * Seals an edited schedule: what a stage begins at, its weights (numbers of any sum, in domain order), batch size and skips are taken as they stand, all
 * else is computed anew, and stages that were recorded because a domain ran out come again only where it does. Throws ERR_PARSE, and as `appendStage`.
 */
export function sealEdited(value: unknown, at = "edited schedule"): Schedule {
  const { header, stages } = object({ header: parseHeader, stages: array(parseStage) })(value, at);
  const asked = stages.filter(
    ({ cause, revises }) => revises !== undefined || !["exhausted", "stop"].includes(cause?.kind ?? ""),
  );
  let schedule = createSchedule(header);
  for (const [i, stage] of asked.entries()) {
    if (stage.revises === undefined && decidedEnd(schedule).final) break;
    const next = asked[i + 1];
    const { cause, revises, weights, ...rest } = stage;
    const sum = weights.reduce((a, b) => a + b, 0);
    if (weights.length !== header.domains.length || !(sum > 0) || weights.some((weight) => weight < 0))
      throw new HeadraceError(
        "ERR_PARSE",
        `${at}: stages[${stages.indexOf(stage)}].weights are ${JSON.stringify(weights)}; expected ${header.domains.length} numbers from 0, not all 0`,
      );
    schedule = appendStage(schedule, {
      ...rest,
      // Where a domain ran out, the recorded stage ends early and is followed by one that is left out here.
      untilBatch:
        next && next.revises === undefined ? next.fromBatch : next ? rest.untilBatch : lastUntil(stages),
      weights: domainWeights(
        Object.fromEntries(header.domains.map(({ name }, d) => [name, weights[d]! / sum])),
        header.domains.map(({ name }) => name),
      ),
      cause: cause ?? { kind: "edited" },
      ...(revises === undefined ? {} : { revises }),
    });
  }
  return schedule;
}

/** Reads a schedule that was edited by hand, or a whole one. Throws ERR_INPUT, and as `sealEdited`. */
export async function readEdited(path: string): Promise<Schedule> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `edited schedule ${path} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
  return parseJson(text, sealEdited, path);
}

/** Compares what two schedules serve, over [0, until), at most what both decide. Pure; O(domains) a batch. Throws ERR_ARGUMENT without an end. */
export function compareSchedules(
  recorded: Schedule,
  edited: Schedule,
  until: number = Number.POSITIVE_INFINITY,
): EditReport {
  const fields = new Set([...Object.keys(recorded.header), ...Object.keys(edited.header)]);
  const fieldOf = ({ header }: Schedule, field: string) =>
    canonicalJson((header as unknown as Record<string, unknown>)[field] ?? null);
  const header = [...fields].filter((field) => fieldOf(recorded, field) !== fieldOf(edited, field));
  const reordered = header.some((field) => !HARMLESS.includes(field));
  const [ours, theirs] = [openPlan(recorded), openPlan(edited)];
  const compared = Math.min(until, ours.end().batch, theirs.end().batch);
  if (!Number.isFinite(compared))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      "neither schedule has an end; say with --until how far to compare",
    );
  const place = recorded.header.domains.map(({ name }) =>
    edited.header.domains.findIndex((domain) => domain.name === name),
  );
  // A batch is the domains' next rows: the same where as many are taken, up to the same ordinal.
  const differ = (k: number): readonly string[] => {
    const [mine, yours] = [ours.counts(k), theirs.counts(k)];
    const [upTo, yoursUpTo] = [ours.served(k + 1), theirs.served(k + 1)];
    return recorded.header.domains
      .filter(
        (_, i) =>
          (reordered && (mine[i]! > 0 || (yours[place[i]!] ?? 0) > 0)) ||
          mine[i] !== yours[place[i]!] ||
          (mine[i]! > 0 && upTo[i] !== yoursUpTo[place[i]!]),
      )
      .map(({ name }) => name);
  };
  let same = 0;
  let departs: EditReport["departs"] = null;
  for (let k = 0; k < compared; k++) {
    const domains: readonly string[] = reordered && departs !== null ? [""] : differ(k);
    if (domains.length === 0) same++;
    else
      departs ??= {
        batch: k,
        tokens: ours.tokens(k),
        recordedStage: ours.stageOf(k),
        editedStage: theirs.stageOf(k),
        domains,
      };
  }
  const [rows, theirRows] = [ours.served(compared), theirs.served(compared)];
  return {
    header,
    compared,
    same,
    departs,
    domains: recorded.header.domains.map((domain, i) => {
      const perEpoch = Math.max(1, epochRows(domain, recorded.header.rowTokens));
      const editedRows = theirRows[place[i]!] ?? 0;
      return {
        name: domain.name,
        recorded: departs ? ours.counts(departs.batch)[i]! : 0,
        edited: departs ? (theirs.counts(departs.batch)[place[i]!] ?? 0) : 0,
        recordedRows: rows[i]!,
        editedRows,
        recordedEpochs: rows[i]! / perEpoch,
        editedEpochs: editedRows / perEpoch,
      };
    }),
    recordedEnd: ours.end().batch,
    editedEnd: theirs.end().batch,
  };
}

function lastUntil(stages: readonly EditedStage[]): number | null {
  const last = stages.at(-1);
  return last === undefined || last.cause?.kind === "stop" ? null : last.untilBatch;
}
