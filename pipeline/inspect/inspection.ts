/**
 * A finished build with one of its filters in view: the manifest, the filter's column, and the thresholds that decided.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DomainName } from "../../core/domain.ts";
import { HeadraceError } from "../../core/errors.ts";
import { type Calibration, type CascadeStep, SCORE_UNIT } from "../../filters/index.ts";
import { type ManifestFilter, readManifest, type ShardManifest } from "../../shards/index.ts";
import { readCalibration } from "../calibrate.ts";
import { cascadeFor } from "../curator.ts";
import type { Tokenizer } from "../tokenizer/index.ts";

/** What is looked at. */
export interface Inspection {
  readonly dir: string;
  readonly manifest: ShardManifest;
  readonly filter: ManifestFilter;
  /** The filter's place among the score columns. */
  readonly column: number;
  /** Null where nothing was to be dropped. */
  readonly calibration: Calibration | null;
  readonly cascade: readonly CascadeStep[];
  /** Thresholds by domain, in the unit of the score column; null where the build did not drop by this filter. */
  readonly thresholds: ReadonlyMap<DomainName, number> | null;
}

/** Opens a build. Throws ERR_FILTER where it has no such scores, ERR_TOKENIZER where its ids are another tokenizer's, and ERR_CALIBRATION. */
export async function openInspection(
  dir: string,
  name: string,
  tokenizer: Pick<Tokenizer, "name" | "sha256">,
): Promise<Inspection> {
  const manifest = await readManifest(dir);
  const column = manifest.filters.findIndex((one) => one.name === name);
  const filter = manifest.filters[column];
  if (!filter) {
    const names = manifest.filters.map((one) => one.name).join(", ");
    throw new HeadraceError(
      "ERR_FILTER",
      `${dir} has no scores of "${name}"; it has ${names || "none: build with --filters"}`,
    );
  }
  if (manifest.tokenizer.sha256 !== tokenizer.sha256)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${dir} was built with ${manifest.tokenizer.name} (${manifest.tokenizer.sha256.slice(0, 12)}), not ${tokenizer.name}; name it with --tokenizer`,
    );
  const path = join(dir, "calibration.json");
  const calibration = existsSync(path) ? await readCalibration(path) : null;
  const calibrated = calibration?.filters.find((one) => one.name === name);
  return {
    dir,
    manifest,
    filter,
    column,
    calibration,
    cascade: calibration ? cascadeFor(calibration, manifest.tokenizer, manifest.filters) : [],
    thresholds: calibrated
      ? new Map(calibrated.domains.map(({ domain, threshold }) => [domain, threshold / SCORE_UNIT]))
      : null,
  };
}
