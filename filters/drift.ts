/**
 * Whether what a build drops is still what its calibration predicted: later files may be other than the sample.
 */
import type { DomainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import type { Calibration } from "./calibration.ts";
import { type RateInterval, wilson, Z99 } from "./interval.ts";

/** What a task or a build dropped by one filter in one domain. */
export interface ObservedDrop {
  readonly filter: string;
  readonly domain: DomainName;
  /** Documents that reached the filter, and those of them that it dropped. */
  readonly documents: number;
  readonly dropped: number;
}

/** A rate outside its band. */
export interface DriftAlarm extends ObservedDrop {
  /** The predicted rate and the 99 % band for as many documents as were observed. */
  readonly band: RateInterval;
  /** One line for the report. */
  readonly reason: string;
}

/**
 * The observations that lie outside the calibration's 99 % band. The band allows for chance in both the sample and the documents
 * observed (effective size 1 / (1/n + 1/m)), so a small task has a wide one. At most one in a hundred is outside by chance alone.
 * Another `z` than that of 99 % makes another band. A domain without sample documents never alarms. Throws ERR_CALIBRATION on a filter or domain that was not calibrated.
 */
export function driftAlarm(
  calibration: Calibration,
  observed: readonly ObservedDrop[],
  z = Z99,
): readonly DriftAlarm[] {
  return observed.flatMap((drop) => {
    const entry = calibration.filters
      .find(({ name }) => name === drop.filter)
      ?.domains.find(({ domain }) => domain === drop.domain);
    if (!entry)
      throw new HeadraceError(
        "ERR_CALIBRATION",
        `drops of "${drop.filter}" in ${drop.domain} were observed and the calibration has no threshold for them; calibrate again`,
      );
    const { documents: sampled } = entry.reached;
    if (drop.documents === 0 || sampled === 0) return [];
    const band = wilson(entry.predicted.documents.rate, 1 / (1 / sampled + 1 / drop.documents), z);
    // Documents are whole: what a band allows of few is rounded outward, or none of nine would be outside a band from 0.5 % on.
    const [least, most] = [Math.floor(band.from * drop.documents), Math.ceil(band.to * drop.documents)];
    if (drop.dropped >= least && drop.dropped <= most) return [];
    const rate = drop.dropped / drop.documents;
    const reason = `${drop.filter} dropped ${percent(rate)} of ${drop.documents} documents of ${drop.domain}; ${percent(band.from)} to ${percent(band.to)} was predicted (99 %)`;
    return [{ ...drop, band, reason }];
  });
}

/** A part of a build that is observed by itself. */
export interface ObservedTask {
  /** For people: the input that it begins with. */
  readonly name: string;
  readonly observed: readonly ObservedDrop[];
}

/**
 * A sentence for each filter and domain of which some tasks lie outside the band that holds all tasks together with 99 %: that of one task has
 * z = sqrt(2 ln(2 tasks / 0.01)), for a normal deviate is beyond z with at most 2 exp(-z^2 / 2). Throws ERR_CALIBRATION as `driftAlarm` does.
 */
export function taskDrift(calibration: Calibration, tasks: readonly ObservedTask[]): readonly string[] {
  const z = Math.sqrt(2 * Math.log((2 * tasks.length) / 0.01));
  const outside = tasks.flatMap(({ name, observed }) =>
    driftAlarm(calibration, observed, z).map((alarm) => ({ name, ...alarm })),
  );
  const groups = Map.groupBy(outside, ({ filter, domain }) => `${filter} in ${domain}`);
  return [...groups].map(([where, alarms]) => {
    const [{ name, documents, dropped, band }] = alarms as [(typeof alarms)[number]];
    const many = alarms.length === 1 ? "1 task" : `${alarms.length} tasks`;
    return `${where}: ${many} of ${tasks.length} outside what was predicted (99 % for all together); the first begins with ${name} and dropped ${percent(dropped / documents)} of ${documents} documents, where ${percent(band.from)} to ${percent(band.to)} was predicted`;
  });
}

function percent(rate: number): string {
  return `${(100 * rate).toFixed(1)} %`;
}
