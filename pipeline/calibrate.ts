/**
 * `headrace calibrate`: scores a sample of the input and chooses the thresholds that meet the targets on it.
 */
import { readFile } from "node:fs/promises";
import { writeFileWhole } from "../core/commit.ts";
import { type DomainName, inDomainOrder } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  type Calibration,
  type CalibrationRequest,
  type CalibrationSample,
  calibrateCascade,
  cascadeReadings,
  parseCalibrationJson,
  parseTargets,
  passingScore,
  type ScoreColumn,
  type ScoreField,
  type Target,
  type TargetReadings,
} from "../filters/index.ts";
import type { Curator } from "./curator.ts";
import type { InputFile } from "./inputs.ts";
import type { BuildOptions } from "./options.ts";
import { sampleScores } from "./sample.ts";
import type { SourceOptions } from "./source.ts";

/** What to calibrate on. */
export interface CalibrateRequest extends Pick<BuildOptions, "applyTo"> {
  /** Such as `ads=0.5:documents,fluency=0.15:documents`. */
  readonly targets: string;
  readonly files: readonly InputFile[];
  readonly source: SourceOptions;
  readonly curator: Curator;
  readonly documents: number;
  readonly onProgress?: (documents: number, ofDocuments: number) => void;
}

/** Makes a calibration. Deterministic; reads about `documents` documents on one thread. Throws ERR_CALIBRATION. */
export async function calibrate(request: CalibrateRequest): Promise<Calibration> {
  return calibrateCascade(await sampledRequest(request));
}

/** Makes a calibration and says what else its rates could mean, by the filters whose scores are log odds. As `calibrate`. */
export async function calibrateAndRead(
  request: CalibrateRequest,
): Promise<{ readonly calibration: Calibration; readonly readings: readonly TargetReadings[] }> {
  const sampled = await sampledRequest(request);
  const calibration = calibrateCascade(sampled);
  const { trained } = request.curator;
  return { calibration, readings: cascadeReadings(calibration, sampled, (name) => trained.includes(name)) };
}

async function sampledRequest(request: CalibrateRequest): Promise<CalibrationRequest> {
  const { curator } = request;
  // Before anything is read: a filter that is not there is known at once.
  targetsFor(request.targets, curator.filters);
  const wherever = whereverOf(request.source, curator);
  return calibrationRequest(await sampleScores(request), { ...request, ...curator, wherever });
}

/** What is calibrated for, and with what. */
export interface CalibrationInputs extends Pick<CalibrateRequest, "targets" | "applyTo"> {
  readonly filters: readonly ScoreColumn[];
  /** Those of the filters that apply wherever a document has a score. */
  readonly wherever: readonly Pick<ScoreField, "name" | "dropWhen">[];
  readonly tokenizer: { readonly sha256: string };
}

/** Makes a calibration of a sample that was taken. Throws ERR_ARGUMENT, ERR_FILTER and ERR_CALIBRATION. */
export function calibrateOn(samples: CalibrationSample, of: CalibrationInputs): Calibration {
  return calibrateCascade(calibrationRequest(samples, of));
}

/**
 * What a calibration of a sample is asked for: a filter of `wherever` applies to the domains of the sample that have a score of it, unless
 * `applyTo` says otherwise. Throws ERR_ARGUMENT and ERR_FILTER.
 */
export function calibrationRequest(samples: CalibrationSample, of: CalibrationInputs): CalibrationRequest {
  const there = of.wherever.map((field) => [field.name, domainsWith(samples, field)] as const);
  return {
    targets: targetsFor(of.targets, of.filters),
    filters: of.filters,
    tokenizer: of.tokenizer.sha256,
    samples,
    appliesTo: { ...Object.fromEntries(there), ...of.applyTo },
  };
}

/** The columns that apply wherever a document has a score of them: score fields, and filters of one's own that say so. */
export function whereverOf(
  { scoreFields = [] }: SourceOptions,
  { own }: Pick<Curator, "own">,
): readonly Pick<ScoreField, "name" | "dropWhen">[] {
  return [...(own?.columns.filter(({ everywhere }) => everywhere) ?? []), ...scoreFields];
}

/** The domains of a sample in which a document has a score of the field. */
function domainsWith(
  { domains, domain, scores }: CalibrationSample,
  { name, dropWhen }: Pick<ScoreField, "name" | "dropWhen">,
): readonly DomainName[] {
  const absent = passingScore(dropWhen);
  const found = new Set<number>();
  for (const [i, score] of (scores[name] ?? []).entries()) if (score !== absent) found.add(domain[i]!);
  return inDomainOrder([...found].map((index) => domains[index]!));
}

/** Parses targets and checks that their filters are there. Throws ERR_ARGUMENT and ERR_FILTER. */
export function targetsFor(text: string, filters: readonly { readonly name: string }[]): readonly Target[] {
  const targets = parseTargets(text);
  const names = filters.map(({ name }) => name);
  const stranger = targets.find(({ filter }) => !names.includes(filter));
  if (stranger)
    throw new HeadraceError(
      "ERR_FILTER",
      `--drop names the filter "${stranger.filter}"; filters here: ${names.join(", ") || "none"} (add it with --filters)`,
    );
  return targets;
}

/** Reads a calibration file. Throws ERR_INPUT and ERR_PARSE. */
export async function readCalibration(path: string): Promise<Calibration> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `calibration ${path} cannot be read: ${(cause as Error).message}; make one with "headrace calibrate"`,
      { cause },
    );
  }
  return parseCalibrationJson(text, path);
}

/** Writes a calibration file, whole or not at all. */
export async function writeCalibration(path: string, calibration: Calibration): Promise<void> {
  await writeFileWhole(path, calibrationText(calibration));
}

/** The text of a calibration file; the same calibration gives the same bytes. */
export function calibrationText(calibration: Calibration): string {
  return `${JSON.stringify(calibration, null, 1)}\n`;
}
