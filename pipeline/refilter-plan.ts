/**
 * What a build from finished shards can be asked for, and what it finds there. Nothing is written.
 */
import { join, resolve } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import {
  array,
  boolean,
  integer,
  nullable,
  number,
  object,
  oneOf,
  optional,
  type Parser,
  string,
} from "../core/parse.ts";
import { flagAtOf, type ScoreField, scoreField } from "../filters/index.ts";
import {
  type Gap,
  type Origin,
  originKey,
  readGaps,
  readManifest,
  readOrigin,
  type ShardManifest,
} from "../shards/index.ts";
import { BUILD_VERSION } from "./finish.ts";
import type { BuildOptions } from "./options.ts";

/** Options of `refilter`. What is not given is as it was in the build that made the shards. */
export interface RefilterOptions
  extends Pick<
    BuildOptions,
    | "out"
    | "drop"
    | "calibration"
    | "tagOnly"
    | "applyTo"
    | "workers"
    | "shardBytes"
    | "keepDropped"
    | "validationTokens"
    | "validationRow"
    | "replace"
    | "onProgress"
    | "onNote"
    | "lockSilenceSeconds"
  > {
  /** Folder of finished shards. */
  readonly from: string;
  /** About how many documents a calibration by `drop` samples, the same ones as a build from the input. Default: all, up to 10 million. */
  readonly calibrationDocuments?: number;
}

/** The options in an origin that a later build may change, or must know. */
export interface Inherited {
  readonly tagOnly: boolean;
  readonly keepDropped: boolean;
  readonly shardBytes: number;
  readonly validation: "given" | { readonly tokens: number; readonly row: number };
}

const heldOut = object({ tokens: integer(0), row: integer(1) });
const validation: Parser<Inherited["validation"]> = (value, at) =>
  value === "given" ? oneOf("given")(value, at) : heldOut(value, at);
const inherited: Parser<Inherited> = object({
  tagOnly: boolean,
  keepDropped: boolean,
  shardBytes: integer(1),
  validation,
});

/** Shards that were imported have no source. */
const readWith = object({
  source: optional(object({ scoreFields: optional(array(scoreField)) })),
  own: optional(
    array(
      object({ name: string, dropWhen: oneOf("high", "low"), flagAt: nullable(number), everywhere: boolean }),
    ),
  ),
});

/** Finished shards that are to be filtered anew. */
export interface RefilterPlan {
  readonly from: string;
  readonly dir: string;
  readonly buildFolder: string;
  readonly manifest: ShardManifest;
  readonly origin: Origin;
  readonly gaps: readonly Gap[];
  /** Those of the filters that apply wherever a document has a score. */
  readonly wherever: readonly Pick<ScoreField, "name" | "dropWhen">[];
  /** Beyond which integer score the filters flag that people brought, score fields too; null: they flag nothing. */
  readonly flagAt: ReadonlyMap<string, number | null>;
  readonly made: Inherited;
  readonly wanted: Inherited;
}

/** Reads what the finished shards say of themselves, and checks that they can be filtered anew as asked. Throws ERR_ARGUMENT, ERR_INPUT, ERR_MANIFEST, ERR_PARSE. */
export async function planRefilter(options: RefilterOptions): Promise<RefilterPlan> {
  const from = resolve(options.from);
  const dir = resolve(options.out);
  if (from === dir)
    throw new HeadraceError("ERR_ARGUMENT", `--from and --out are both ${dir}; choose another --out`);
  if (options.drop !== undefined && options.calibration !== undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      "--drop and --calibration were both given; a calibration holds its own targets, so keep one",
    );
  const manifest = await readManifest(from);
  const origin = await readOrigin(from);
  if (originKey(origin) !== manifest.key)
    throw new HeadraceError(
      "ERR_MANIFEST",
      `origin.json of ${from} is not the one that its manifest was made with; restore it, or build again from the input`,
    );
  if (origin.version !== BUILD_VERSION)
    throw new HeadraceError(
      "ERR_INPUT",
      `${from} was built by version ${origin.version} of the build, and this is ${BUILD_VERSION}; build again from the input`,
    );
  const made = inherited(origin.options, `options of ${join(from, "origin.json")}`);
  return {
    from,
    dir,
    buildFolder: join(dir, ".build"),
    manifest,
    origin,
    gaps: await readGaps(from),
    ...broughtScores(origin),
    made,
    wanted: wantedOf(made, options, from),
  };
}

/** Which scores of a build were brought along, and beyond which of them a document is flagged. Throws ERR_PARSE. */
export function broughtScores({
  options,
}: Pick<Origin, "options">): Pick<RefilterPlan, "wherever" | "flagAt"> {
  const { source, own = [] } = readWith(options, "the options");
  const scoreFields = source?.scoreFields ?? [];
  return {
    wherever: [...own.filter(({ everywhere }) => everywhere), ...scoreFields],
    flagAt: new Map([
      ...own.map(({ name, flagAt }) => [name, flagAt] as const),
      ...scoreFields.map((field) => [field.name, flagAtOf(field)] as const),
    ]),
  };
}

function wantedOf(made: Inherited, options: RefilterOptions, from: string): Inherited {
  if (options.keepDropped && !made.keepDropped)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--keep-dropped was given, and ${from} has no dropped documents to keep; build again from the input with --keep-dropped`,
    );
  const { validationTokens: tokens, validationRow: row } = options;
  if (made.validation === "given" && (tokens !== undefined || row !== undefined))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--validation-tokens or --validation-row was given, and ${from} has a validation set of its own; leave them out`,
    );
  return inherited(
    {
      tagOnly: options.tagOnly ?? false,
      keepDropped: options.keepDropped ?? made.keepDropped,
      shardBytes: options.shardBytes ?? made.shardBytes,
      validation:
        made.validation === "given"
          ? "given"
          : { tokens: tokens ?? made.validation.tokens, row: row ?? made.validation.row },
    },
    "the options",
  );
}
