/**
 * Whether what a build drops is still what its calibration predicted: later files may be other than the sample.
 */
import type { DomainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import type { Calibration } from "./calibration.ts";
import { type RateInterval, wilson } from "./interval.ts";

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
 * observed (effective size 1 / (1/n + 1/m)), so a small task has a wide one. One in a hundred is outside by chance alone.
 * A domain without sample documents never alarms. Throws ERR_CALIBRATION on a filter or domain that was not calibrated.
 */
export function driftAlarm(
  calibration: Calibration,
  observed: readonly ObservedDrop[],
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
    const band = wilson(entry.predicted.documents.rate, 1 / (1 / sampled + 1 / drop.documents));
    const rate = drop.dropped / drop.documents;
    if (rate >= band.from && rate <= band.to) return [];
    const reason = `${drop.filter} dropped ${percent(rate)} of ${drop.documents} documents of ${drop.domain}; ${percent(band.from)} to ${percent(band.to)} was predicted (99 %)`;
    return [{ ...drop, band, reason }];
  });
}

function percent(rate: number): string {
  return `${(100 * rate).toFixed(1)} %`;
}
