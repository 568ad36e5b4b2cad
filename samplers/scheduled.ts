/**
 * Weights that change at fixed points of a run: in steps, or along lines between the points (an annealing mix for the last tenth, a warm-up of
 * new domains). All of it is decided when the run begins, so it stands in the schedule as stages and is replayed like any other.
 */
import { type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";

/** A point of a scheduled policy. */
export interface WeightPoint {
  /** Where the point lies, in tokens of the run, as asked for. */
  readonly fromTokens: number;
  /** floor(fromTokens / tokens a batch). */
  readonly fromBatch: number;
  readonly weights: DomainWeights;
}

/** Weights by points. */
export interface ScheduledPolicy {
  readonly kind: "scheduled";
  /** `steps`: a point's weights hold until the next point; `linear`: they move towards the next point's, in steps of `everyBatches`. */
  readonly name: "steps" | "linear";
  /** Ascending; the first at batch 0. The last point's weights hold to the end. */
  readonly points: readonly WeightPoint[];
  /** Batches of a step of `linear` at most; a line has at least LEAST_STEPS steps where it has as many batches. */
  readonly everyBatches: number;
}

/** Weights in force for the batches [fromBatch, untilBatch); null: to the end of the run. */
export interface WeightStretch {
  readonly fromBatch: number;
  readonly untilBatch: number | null;
  readonly weights: DomainWeights;
}

/** The least steps of a line, where it has as many batches: a step then moves a weight by a twentieth of the way. */
const LEAST_STEPS = 20;

/** Every stretch of equal weights of a policy in a run of `batches` (null: no end). Pure. A line's step has the weights of its middle. */
export function stretchesOf(policy: ScheduledPolicy, batches: number | null): readonly WeightStretch[] {
  const end = batches ?? Number.POSITIVE_INFINITY;
  const stretches: WeightStretch[] = [];
  for (const [i, point] of policy.points.entries()) {
    const next = policy.points[i + 1];
    if (point.fromBatch >= end) break;
    if (next === undefined || policy.name === "steps") {
      const until = next === undefined || next.fromBatch >= end ? null : next.fromBatch;
      stretches.push({ fromBatch: point.fromBatch, untilBatch: until, weights: point.weights });
      continue;
    }
    const length = next.fromBatch - point.fromBatch;
    const step = Math.max(1, Math.min(policy.everyBatches, Math.floor(length / LEAST_STEPS)));
    for (let from = point.fromBatch; from < Math.min(next.fromBatch, end); from += step) {
      const until = Math.min(from + step, next.fromBatch);
      const weights = between(point.weights, next.weights, ((from + until) / 2 - point.fromBatch) / length);
      stretches.push({ fromBatch: from, untilBatch: until >= end ? null : until, weights });
    }
  }
  return stretches;
}

/** What `scheduledPolicy` needs to place points. */
export interface RunLength {
  /** Tokens of a global batch. */
  readonly batchTokens: number;
  /** Batches of the run; absent: without an end, and then no point can lie at a percentage. */
  readonly batches?: number;
  /** Tokens of a step of `linear` at most. */
  readonly everyTokens: number;
}

/**
 * A policy of points by where they lie: tokens (`"180e9"`) or per cent of the run (`"90%"`), each with the weights of every domain.
 * Throws ERR_ARGUMENT on a place that is none, two points in one batch or none at 0, ERR_WEIGHTS and ERR_DOMAIN on wrong weights.
 */
export function scheduledPolicy(
  name: ScheduledPolicy["name"],
  points: Readonly<Record<string, Readonly<Record<string, number>>>>,
  domains: readonly string[],
  run: RunLength,
): ScheduledPolicy {
  const placed = Object.entries(points)
    .map(([place, weights]) => {
      const fromTokens = tokensOf(place, run);
      const fromBatch = Math.floor(fromTokens / run.batchTokens);
      return { place, point: { fromTokens, fromBatch, weights: weightsAt(place, weights, domains) } };
    })
    .sort((a, b) => a.point.fromBatch - b.point.fromBatch);
  if (placed[0]?.point.fromBatch !== 0)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `policy ${name} has its first point at ${placed[0]?.place ?? "no place"}; give weights for 0, where the run begins`,
    );
  for (const [i, { place, point }] of placed.entries())
    if (i > 0 && point.fromBatch === placed[i - 1]!.point.fromBatch)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `policy ${name} has points at ${placed[i - 1]!.place} and ${place}, both in batch ${point.fromBatch} of ${run.batchTokens} tokens; place them a batch apart`,
      );
  return {
    kind: "scheduled",
    name,
    points: placed.map(({ point }) => point),
    everyBatches: Math.max(1, Math.floor(run.everyTokens / run.batchTokens)),
  };
}

function tokensOf(place: string, { batches, batchTokens }: RunLength): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(place)?.[1];
  if (percent !== undefined && batches === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `a point of the policy is at ${place} of a run without an end; give it in tokens`,
    );
  const tokens = percent === undefined ? Number(place) : (Number(percent) / 100) * batches! * batchTokens;
  if (place.trim() === "" || !(tokens >= 0 && tokens <= Number.MAX_SAFE_INTEGER))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `a point of the policy is at "${place}"; write tokens ("180e9") or a part of the run ("90%")`,
    );
  return Math.round(tokens);
}

function weightsAt(
  place: string,
  weights: Readonly<Record<string, number>>,
  domains: readonly string[],
): DomainWeights {
  const absent = domains.find((name) => weights[name] === undefined);
  if (absent !== undefined)
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `the policy's point at ${place} has no weight for domain "${absent}"; give it one, or 0`,
    );
  return domainWeights(weights, domains);
}

/** The weights a part of the way from one point to the next. */
function between(from: DomainWeights, to: DomainWeights, part: number): DomainWeights {
  const names = Object.keys(from) as DomainName[];
  return domainWeights(
    Object.fromEntries(names.map((name) => [name, from[name]! + part * (to[name]! - from[name]!)])),
    names,
  );
}
