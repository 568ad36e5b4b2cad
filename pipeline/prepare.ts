/**
 * The first step of a build: options become a description of everything that decides the bytes, and the files to read.
 * Nothing is written yet.
 */

import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import { hashOf } from "../core/hash.ts";
import {
  BUILT_IN_FILTERS,
  type Calibration,
  findRuleFilter,
  parseOwnSpec,
  parseTargets,
} from "../filters/index.ts";
import { readCalibration } from "./calibrate.ts";
import { type CurateSetup, type Curator, openCurator, openTokenizer } from "./curator.ts";
import { type InputPlan, planInputs } from "./inputs.ts";
import type { BuildOptions } from "./options.ts";
import type { SourceOptions } from "./source.ts";
import { LLAMA2_SHA256 } from "./tokenizer/index.ts";

/** Below this many stored input bytes dropped documents are kept unless told otherwise. */
const KEEP_DROPPED_BELOW = 100_000_000_000;

/** A build that is ready to run. */
export interface Prepared {
  readonly options: BuildOptions;
  readonly dir: string;
  /** `DIR/.build`: task folders, ledger, lock. May be deleted after the build. */
  readonly buildFolder: string;
  readonly train: InputPlan;
  readonly validation: InputPlan | null;
  /** Tokenizer and filters; its calibration is null until one is settled. */
  readonly curate: CurateSetup;
  /** The same, loaded. */
  readonly curator: Curator;
  readonly source: SourceOptions;
  readonly workers: number;
  readonly keepDropped: boolean;
  readonly shardBytes: number;
  readonly validationTokens: number;
  readonly validationRow: number;
  /** Thresholds that were given as a file. */
  readonly calibration: Calibration | null;
  /** What decides, with the calibration, what a task makes of its files, as plain data. */
  readonly reading: Readonly<Record<string, unknown>>;
  /** Everything but the inputs that decides the bytes, as plain data: `reading`, and what decides the calibration and the compaction. */
  readonly description: Readonly<Record<string, unknown>>;
}

/** Checks the options, finds the inputs, loads tokenizer and filters. Throws ERR_ARGUMENT, ERR_INPUT, ERR_TOKENIZER, ERR_FILTER. */
export async function prepare(options: BuildOptions): Promise<Prepared> {
  const {
    workers = availableParallelism(),
    shardBytes = 512_000_000,
    validationTokens = 2_048_000,
    validationRow = 256,
  } = options;
  requireWhole("workers", workers, 1);
  if (options.taskBytes !== undefined) requireWhole("task-size", options.taskBytes, 1);
  if (options.sectionRecords !== undefined) requireWhole("section-records", options.sectionRecords, 1);
  requireWhole("shard-size", shardBytes, 1);
  requireWhole("validation-tokens", validationTokens, 0);
  requireWhole("validation-row", validationRow, 1);
  if (options.drop !== undefined && options.calibration !== undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      "--drop and --calibration were both given; a calibration holds its own targets, so keep one",
    );
  if (options.tagOnly && options.drop === undefined && options.calibration === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      "--tag-only was given without --drop or --calibration; say by what to tag",
    );
  if (options.drop !== undefined) parseTargets(options.drop);

  const source = options.source ?? {};
  const train = await planInputs(options.inputs);
  const validation = options.validation ? await planInputs(options.validation) : null;
  const bytes = train.files.reduce((sum, file) => sum + file.bytes, 0);
  const keepDropped = options.keepDropped ?? bytes < KEEP_DROPPED_BELOW;
  const curate = await curateSetup(options);
  const curator = await openCurator(curate);
  const calibration = options.calibration === undefined ? null : await readCalibration(options.calibration);
  const dir = resolve(options.out);
  const reading = {
    tokenizer: {
      sha256: curator.tokenizer.sha256,
      engine: curate.engine,
      specialTokens: curate.specialTokens,
      bos: curate.bos,
      eos: curate.eos,
    },
    filters: curator.filters.map(({ name, sha256 }) => ({ name, sha256 })),
    source: JSON.parse(JSON.stringify(source)),
    ...(curator.own && { own: curator.own.columns }),
    tagOnly: curate.tagOnly,
    keepDropped,
  };
  return {
    options,
    dir,
    buildFolder: join(dir, ".build"),
    train,
    validation,
    curate,
    curator,
    source,
    workers,
    keepDropped,
    shardBytes,
    validationTokens,
    validationRow,
    calibration,
    reading,
    description: {
      ...reading,
      drop: calibration
        ? { calibration: hashOf(calibration) }
        : {
            targets: options.drop ?? null,
            documents: options.calibrationDocuments ?? null,
            applyTo: options.applyTo ?? null,
          },
      shardBytes,
      validation: validation ? "given" : { tokens: validationTokens, row: validationRow },
    },
  };
}

/** The tokenizer and filter setup that options ask for, without a calibration. Rule sets that `drop` names need not be among `filters`' defaults. */
export async function curateSetup(
  options: Pick<
    BuildOptions,
    | "tokenizer"
    | "tokenizerEngine"
    | "specialTokens"
    | "bos"
    | "eos"
    | "filters"
    | "ownFilters"
    | "tagOnly"
    | "drop"
    | "source"
  >,
): Promise<CurateSetup> {
  const { ownFilters = [] } = options;
  for (const spec of ownFilters.map(parseOwnSpec))
    if (spec.kind.startsWith("url-") && options.source?.urlField === undefined)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `filter "${spec.name}" looks at the address of documents, and no field for it is named; give --url-field, such as url or meta.url`,
      );
  const base = {
    tokenizer: options.tokenizer ?? "llama-2",
    engine: options.tokenizerEngine ?? "headrace",
    specialTokens: options.specialTokens ?? "spell",
    bos: options.bos ?? true,
    eos: options.eos ?? false,
    scoreFields: options.source?.scoreFields ?? [],
    ...(ownFilters.length > 0 && { ownFilters }),
    calibration: null,
    tagOnly: options.tagOnly ?? false,
  } as const;
  if (options.filters) return { ...base, filters: options.filters };
  const { sha256 } = await openTokenizer(base);
  const trained: readonly string[] = sha256 === LLAMA2_SHA256 ? BUILT_IN_FILTERS : [];
  const targets = options.drop === undefined ? [] : parseTargets(options.drop);
  const rules = targets.map(({ filter }) => filter).filter((name) => findRuleFilter(name) !== undefined);
  return { ...base, filters: [...trained, ...rules] };
}

function requireWhole(flag: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--${flag} is ${value}; give a whole number of at least ${least}`,
    );
}
