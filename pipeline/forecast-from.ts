/**
 * The forecast of a build from finished shards: exact counts, for the score table has every document. Nothing is written.
 */
import { availableParallelism } from "node:os";
import { readCalibration, targetsFor } from "./calibrate.ts";
import { cascadeFor } from "./curator.ts";
import { finishedBuild } from "./folder.ts";
import { refilterPeakOf } from "./footprint.ts";
import { type Forecast, forecastOf } from "./forecast.ts";
import type { Estimate } from "./ratio.ts";
import { calibrationOf, claimOf } from "./refilter.ts";
import { planRefilter, type RefilterOptions } from "./refilter-plan.ts";
import { count, rejudge, talliesOf } from "./rejudge.ts";
import { hashBytesPerSecond, threadsOf } from "./speed.ts";

/** Forecasts a build from finished shards; reads their score table. Throws what `refilter` would throw. */
export async function forecastRefilter(options: RefilterOptions): Promise<Forecast> {
  const started = performance.now();
  const plan = await planRefilter(options);
  const { dir, manifest, origin, wanted } = plan;
  const given = options.calibration === undefined ? null : await readCalibration(options.calibration);
  if (options.drop !== undefined) targetsFor(options.drop, manifest.filters);
  const finished = await finishedBuild(claimOf(plan, options, given));
  const calibration = given ?? (await calibrationOf(plan, options));
  const cascade = calibration ? cascadeFor(calibration, manifest.tokenizer, manifest.filters) : [];
  const tallies = talliesOf(plan);
  for (const row of rejudge(plan, cascade)) count(tallies, row);
  const accounts = [tallies.train.account(), tallies.validation.account()];
  const seconds = (performance.now() - started) / 1000;
  const workers = options.workers ?? availableParallelism();
  const bytes = manifest.tables.reduce((sum, table) => sum + table.bytes, 0);
  return forecastOf({
    out: dir,
    basis: "score table",
    sample: {
      documents: origin.documents.train + origin.documents.validation,
      files: manifest.tables.length,
      ofFiles: manifest.tables.length,
      bytes,
      ofBytes: bytes,
      seconds,
    },
    interval: "none: every document is in the score table, and figures are counts",
    accounts,
    total: exactly,
    filters: manifest.filters.map(({ name }) => name),
    tokenType: manifest.tokenType,
    keepDropped: wanted.keepDropped,
    shardBytes: wanted.shardBytes,
    peakOf: refilterPeakOf,
    validationTokens: wanted.validation === "given" ? null : wanted.validation.tokens,
    work: { readSeconds: 0, beforeSeconds: seconds, workers },
    assumptions: [
      `each of ${threadsOf(workers)} threads hashes ${(hashBytesPerSecond() / 1e6).toFixed(0)} MB a second, as this one did, and the disk keeps up`,
    ],
    notices: finished ? [`${dir} holds this very build, finished: nothing would be done`] : [],
  });
}

function exactly(counted: ArrayLike<number>): Estimate {
  const value = Array.from(counted).reduce((sum, n) => sum + n, 0);
  return { value, from: value, to: value };
}
