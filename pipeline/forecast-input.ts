/**
 * The forecast of a build from its input: the documents that it would calibrate on are read, scored and judged by the thresholds that it
 * would choose, and each file's are carried to the file's length. Nothing is written.
 */

import { type Calibration, type CalibrationSample, judge } from "../filters/index.ts";
import type { Account } from "../shards/index.ts";
import { Tally } from "./account.ts";
import { calibrateOn, targetsFor, whereverOf } from "./calibrate.ts";
import { cascadeFor } from "./curator.ts";
import { claimOf, finishedBuild } from "./folder.ts";
import { peakOf } from "./footprint.ts";
import { type Forecast, forecastOf } from "./forecast.ts";
import type { InputFile } from "./inputs.ts";
import { type BuildOptions, CALIBRATION_DOCUMENTS, NO_PROGRESS } from "./options.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { ratioEstimator, type SampledFile } from "./ratio.ts";
import { DOMAIN_NAMES, domainOfPath } from "./slimpajama.ts";
import { hashBytesPerSecond, threadsOf } from "./speed.ts";
import { type Survey, type SurveyedFile, surveyFiles } from "./survey.ts";

/** Forecasts a build. Reads about as many documents as a calibration, on one thread. Throws what `build` would throw before it writes. */
export async function forecastBuild(options: BuildOptions): Promise<Forecast> {
  const started = performance.now();
  const prepared = await prepare(options);
  const { curator, train, validation, dir } = prepared;
  const startSeconds = (performance.now() - started) / 1000;
  const finished = await finishedBuild(claimOf(prepared));
  if (options.drop !== undefined) targetsFor(options.drop, curator.filters);
  const survey = await look(prepared, train.files);
  const calibration = calibrationOf(prepared, survey.sample);
  const given = validation && (await look(prepared, validation.files));
  const accounts = [survey, ...(given ? [given] : [])].flatMap((one) =>
    accountsOf(one, prepared, calibration),
  );
  const surveyed = [...survey.files, ...(given?.files ?? [])];
  const sampled = sampledFiles([...train.files, ...(validation?.files ?? [])], surveyed);
  const estimator = ratioEstimator(sampled.files);
  const total = (counted: ArrayLike<number>) => estimator(sampled.spread(counted));
  const whole = sampled.files.every(({ bytes, sampled: seen }) => bytes === seen);
  const seconds = (performance.now() - started) / 1000;
  const bytes = surveyed.reduce((sum, { sampled: seen }) => sum + seen, 0);
  const ofBytes = sampled.files.reduce((sum, file) => sum + file.bytes, 0);
  const readSeconds = total(surveyed.map((file) => file.seconds)).value;
  return forecastOf({
    out: dir,
    basis: whole ? "whole input" : "sample",
    sample: {
      documents: surveyed.reduce((sum, { documents }) => sum + documents, 0),
      files: surveyed.length,
      ofFiles: sampled.files.length,
      bytes: Math.round(bytes),
      ofBytes,
      seconds,
    },
    interval: intervalSentence(whole, total, surveyed),
    accounts,
    total,
    filters: curator.filters.map(({ name }) => name),
    tokenType: curator.tokenizer.tokenType,
    keepDropped: prepared.keepDropped,
    shardBytes: prepared.shardBytes,
    peakOf,
    validationTokens: validation ? null : prepared.validationTokens,
    work: {
      readSeconds,
      // Tokenizer and filters are loaded once here and once by the threads, all at a time.
      beforeSeconds:
        2 * startSeconds +
        (options.drop === undefined ? 0 : surveyed.reduce((sum, file) => sum + file.seconds, 0)),
      workers: prepared.workers,
    },
    assumptions: [
      ...(whole
        ? []
        : ["the files sampled are like the others, and the first records of a file like its last"]),
      `each of ${threadsOf(prepared.workers)} threads reads, tokenizes and scores ${megabytes(ofBytes / readSeconds)} of input a second and hashes ${megabytes(hashBytesPerSecond())}, as this one did, and the disk keeps up`,
    ],
    notices: [
      ...(finished ? [`${dir} holds this very build, finished: nothing would be done`] : []),
      ...[train, ...(validation ? [validation] : [])].flatMap(({ notices }) => notices),
    ],
  });
}

function look(prepared: Prepared, files: readonly InputFile[]): Promise<Survey> {
  const { curator, source, options } = prepared;
  return surveyFiles({
    files,
    source,
    curator,
    documents: options.calibrationDocuments ?? CALIBRATION_DOCUMENTS,
    onProgress: (documents, total) =>
      options.onProgress?.({ ...NO_PROGRESS, phase: "calibrate", documents, total }),
  });
}

/** The thresholds that the build would judge by; null where it would drop nothing. */
function calibrationOf(
  { calibration, curator, options, source }: Prepared,
  samples: CalibrationSample,
): Calibration | null {
  if (calibration || options.drop === undefined) return calibration;
  return calibrateOn(samples, {
    ...curator,
    wherever: whereverOf(source, curator),
    targets: options.drop,
    ...(options.applyTo && { applyTo: options.applyTo }),
  });
}

/** What became of the sampled part of each file. */
function accountsOf(
  { sample, files }: Survey,
  { curator, curate }: Prepared,
  calibration: Calibration | null,
): readonly Account[] {
  const names = curator.filters.map(({ name }) => name);
  const cascade = calibration ? cascadeFor(calibration, curator.tokenizer, curator.filters) : [];
  const scores = new Int32Array(names.length);
  let next = 0;
  return files.map(({ documents, quarantined, incidents }) => {
    const tally = new Tally(names);
    for (const end = next + documents; next < end; next++) {
      const domain = sample.domains[sample.domain[next]!]!;
      for (const [f, name] of names.entries()) scores[f] = sample.scores[name]![next]!;
      const verdict = judge(scores, domain, cascade);
      tally.document(
        domain,
        verdict.kind === "drop" && !curate.tagOnly
          ? { kind: "dropped", filter: verdict.filter }
          : { kind: "kept" },
        sample.tokens[next]!,
      );
    }
    for (const domain of quarantined) tally.quarantined(domain);
    for (let i = 0; i < incidents; i++) tally.incident();
    return tally.account();
  });
}

/** The files as the estimator takes them, and counts of the surveyed ones spread over all of them. */
function sampledFiles(
  files: readonly InputFile[],
  surveyed: readonly SurveyedFile[],
): { readonly files: readonly SampledFile[]; readonly spread: (counted: ArrayLike<number>) => Float64Array } {
  const places = new Map(files.map((file, i) => [file, i]));
  const sampled = new Float64Array(files.length);
  for (const { file, sampled: bytes } of surveyed) sampled[places.get(file)!] = bytes;
  return {
    files: files.map(({ source, format, bytes }, i) => ({
      stratum: `${domainOfPath(source, DOMAIN_NAMES) ?? ""} ${format}`,
      bytes,
      sampled: sampled[i]!,
    })),
    spread(counted) {
      const all = new Float64Array(files.length);
      for (const [i, { file }] of surveyed.entries()) all[places.get(file)!] = counted[i]!;
      return all;
    },
  };
}

function intervalSentence(
  whole: boolean,
  total: (counted: ArrayLike<number>) => { readonly from: number | null },
  surveyed: readonly SurveyedFile[],
): string {
  if (whole) return "none: the whole input was looked at, and figures are counts";
  return total(surveyed.map(({ documents }) => documents)).from === null
    ? "none: the spread between files decides it, and of one kind of file only one was sampled"
    : "95 %, by the spread between the sampled files (ratio estimator over files)";
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
