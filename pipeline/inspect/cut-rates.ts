/**
 * What a filter would drop at other rates than the build's: exact counts from the score table, those that `build --from --drop` comes to.
 * Thresholds are chosen as that build chooses them; then one pass over the table counts for all of them at once.
 */
import { isDeepStrictEqual } from "node:util";
import type { DomainName } from "../../core/domain.ts";
import { HeadraceError } from "../../core/errors.ts";
import {
  type CalibratedFilter,
  type CalibrationRequest,
  calibrateCascade,
  cascadeOf,
  FILTERED_DOMAINS,
  SCORE_UNIT,
  TARGET_UNITS,
  type TargetUnit,
  targetText,
  thresholdsAt,
} from "../../filters/index.ts";
import { readOrigin } from "../../shards/index.ts";
import { calibrationRequest } from "../calibrate.ts";
import { broughtScores } from "../refilter-plan.ts";
import { flaggingColumns, sampleForDrop } from "../table-sample.ts";
import { countTable, type DomainCounts } from "./cut-counter.ts";
import type { Inspection } from "./inspection.ts";
import type { PageData, PageDomain, Sweep } from "./page-data.ts";

/** Rates go in steps of half a percent. */
const STEPS = 200;
/** Bins of a histogram, but for scores that are whole numbers, which have a bin each. */
const BINS = 72;
/** This share of the sample's scores, at either end, shares the outermost bin with what lies beyond. */
const TAIL = 0.001;

/** The part of the page that is numbers. */
export type CutRates = Pick<PageData, "axis" | "command" | "target" | "domains" | "sweeps">;

/** The thresholds of every rate of one unit, by domain. */
interface SweptUnit {
  readonly unit: TargetUnit;
  readonly rates: readonly number[];
  readonly thresholds: readonly ReadonlyMap<DomainName, number>[];
}

/**
 * Counts a build's score table. Deterministic; reads the table twice and holds scores of at most 10 million documents.
 * Throws ERR_INPUT where the build has no origin, ERR_SHARD, ERR_PARSE.
 */
export async function cutRates(of: Inspection): Promise<CutRates> {
  const { dir, manifest, filter, column, calibration } = of;
  const origin = await readOrigin(dir);
  const brought = broughtScores(origin);
  const built = calibration?.filters ?? [];
  const place = built.findIndex(({ name }) => name === filter.name);
  const own = built[place] ?? null;
  const before = place < 0 ? built : built.slice(0, place);
  const after = place < 0 ? [] : built.slice(place + 1);

  const samples = await sampleForDrop({ from: dir, manifest, origin });
  const filters = flaggingColumns({ manifest, flagAt: brought.flagAt });
  const inputs = { tokenizer: manifest.tokenizer, filters, wherever: brought.wherever };
  const applyTo = Object.fromEntries(built.map(({ name, appliesTo }) => [name, appliesTo]));
  const requestFor = (unit: TargetUnit) =>
    calibrationRequest(samples, {
      ...inputs,
      targets: [...before.map(targetOf), `${filter.name}=1:${unit}`].join(","),
      applyTo,
    });
  const { flagAt = 0 } = filters[column]!;
  const swept = TARGET_UNITS.flatMap((unit) =>
    unit === "flagged" && flagAt === null ? [] : sweep(requestFor(unit), ratesOf(unit, own)),
  );
  const domains = [...(swept[0]?.thresholds[0]?.keys() ?? [])];
  const applies = samples.domains.map((domain) => domains.length === 0 || domains.includes(domain));
  const scores = samples.scores[filter.name]!.filter((_, i) => applies[samples.domain[i]!]);
  const { axis, bins } = axisOf(scores);
  const counts = countTable(of, {
    earlier: earlierCascade(requestFor("documents"), manifest.filters),
    thresholds: new Map(domains.map((domain) => [domain, ascending(swept, domain)])),
    flagAt,
    axis,
    bins,
  });
  const byDefault = calibrationRequest(samples, {
    ...inputs,
    targets: `${filter.name}=1:documents`,
  }).appliesTo;
  return {
    axis,
    command: {
      before: before.map(targetOf),
      after: after.map(targetOf),
      flags: built
        .filter(({ name, appliesTo }) => !isDeepStrictEqual(byDefault?.[name] ?? FILTERED_DOMAINS, appliesTo))
        .map(({ name, appliesTo }) => `--apply-to ${name}=${appliesTo.join(",")}`),
    },
    target: own?.target ?? null,
    domains: manifest.domains.flatMap((name) => pageDomain(name, counts.get(name as DomainName), own)),
    sweeps: swept.map((one) => sweepOf(one, counts)),
  };
}

/** Every half percent, and the rate that the build was asked for. */
function ratesOf(unit: TargetUnit, own: CalibratedFilter | null): readonly number[] {
  const grid = Array.from({ length: STEPS + 1 }, (_, i) => i / STEPS);
  const rates = own?.target.unit === unit && own.target.of === undefined ? [...grid, own.target.rate] : grid;
  return [...new Set(rates)].sort((a, b) => a - b);
}

/** Nothing where no document reaches the filter in a domain that it applies to. */
function sweep(request: CalibrationRequest, rates: readonly number[]): readonly SweptUnit[] {
  try {
    return [{ unit: request.targets.at(-1)!.unit, rates, thresholds: thresholdsAt(request, rates) }];
  } catch (error) {
    if (error instanceof HeadraceError && error.code === "ERR_CALIBRATION") return [];
    throw error;
  }
}

function earlierCascade(request: CalibrationRequest, filters: Parameters<typeof cascadeOf>[1]) {
  const targets = request.targets.slice(0, -1);
  return targets.length === 0 ? [] : cascadeOf(calibrateCascade({ ...request, targets }), filters);
}

function ascending(swept: readonly SweptUnit[], domain: DomainName): readonly number[] {
  const all = swept.flatMap(({ thresholds }) => thresholds.map((one) => one.get(domain)!));
  return [...new Set(all)].sort((a, b) => a - b);
}

function targetOf({ name, target }: CalibratedFilter): string {
  return targetText({ filter: name, ...target });
}

function pageDomain(
  name: string,
  counts: DomainCounts | undefined,
  own: CalibratedFilter | null,
): readonly PageDomain[] {
  if (!counts) return [];
  const { total, built, histogram } = counts;
  const threshold = own?.domains.find(({ domain }) => domain === name)?.threshold;
  return [{ name, total, built: threshold === undefined ? null : { threshold, ...built }, histogram }];
}

function sweepOf(
  { unit, rates, thresholds }: SweptUnit,
  counts: ReadonlyMap<DomainName, DomainCounts>,
): Sweep {
  const domains = [...thresholds[0]!.keys()].flatMap((domain) => {
    const found = counts.get(domain);
    if (!found) return [];
    const own = thresholds.map((one) => one.get(domain)!);
    const dropped = own.map((threshold) => found.droppedAt(threshold));
    const column = {
      reached: found.reached,
      flagged: found.flagged,
      thresholds: own,
      documents: dropped.map(({ documents }) => documents),
      tokens: dropped.map(({ tokens }) => tokens),
    };
    return [[domain, column] as const];
  });
  return { unit, rates, domains: Object.fromEntries(domains) };
}

/** The bins of the histograms, from the scores of the sample where the filter applies: other domains may be far off. */
function axisOf(scores: Int32Array): Pick<PageData, "axis"> & { readonly bins: number } {
  const sorted = Int32Array.from(scores).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [least, most] = [at(TAIL), at(1 - TAIL)];
  const whole = (most - least) / SCORE_UNIT;
  if (whole < BINS && sorted.every((score) => score % SCORE_UNIT === 0))
    return { axis: { from: least - SCORE_UNIT / 2, width: SCORE_UNIT }, bins: whole + 1 };
  const width = Math.max(1, Math.ceil((most - least + 1) / BINS));
  return { axis: { from: least, width }, bins: BINS };
}
