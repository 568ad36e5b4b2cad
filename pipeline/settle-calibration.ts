/**
 * The calibration of a build: given, found from an earlier run or another machine of this very build, or made now. It lies in the build folder
 * under a name that covers all that decides it, so that no other build's is ever taken for it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileOnce } from "../core/commit.ts";
import { HeadraceError } from "../core/errors.ts";
import { hashOf } from "../core/hash.ts";
import type { Calibration } from "../filters/index.ts";
import { calibrate, calibrationText, readCalibration } from "./calibrate.ts";
import { CALIBRATION_DOCUMENTS, NO_PROGRESS } from "./options.ts";
import { TASK_VERSION } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import { inputIdentity } from "./same-inputs.ts";

/** The calibration that was given or made before; null where nothing is to be dropped, undefined where it is still to be made. */
export async function knownCalibration(prepared: Prepared): Promise<Calibration | null | undefined> {
  if (prepared.calibration) return prepared.calibration;
  if (prepared.options.drop === undefined) return null;
  const path = pathOf(prepared);
  return existsSync(path) ? await readCalibration(path) : undefined;
}

/**
 * The calibration that is known, or made now. Machines that make one at the same time make the same: the first to end writes it, the others
 * compare. Throws ERR_CALIBRATION where they differ.
 */
export async function settleCalibration(prepared: Prepared): Promise<Calibration | null> {
  const known = await knownCalibration(prepared);
  if (known !== undefined) return known;
  const { options, train, source, curator } = prepared;
  const calibration = await calibrate({
    targets: options.drop!,
    files: train.files,
    source,
    curator,
    documents: options.calibrationDocuments ?? CALIBRATION_DOCUMENTS,
    ...(options.applyTo && { applyTo: options.applyTo }),
    onProgress: (documents, total) =>
      options.onProgress?.({ ...NO_PROGRESS, phase: "calibrate", documents, total }),
  });
  const path = pathOf(prepared);
  if (await writeFileOnce(path, calibrationText(calibration))) return calibration;
  if (hashOf(await readCalibration(path)) === hashOf(calibration)) return calibration;
  throw new HeadraceError(
    "ERR_CALIBRATION",
    `${path}, made by another machine of this build, is not what this machine makes of the same input; run the same version of headrace and of Node on all`,
  );
}

function pathOf(prepared: Prepared): string {
  const { reading, description } = prepared;
  const { train } = inputIdentity(prepared);
  const key = hashOf({ version: TASK_VERSION, reading, drop: description["drop"], train });
  return join(prepared.buildFolder, `calibration-${key.slice(0, 16)}.json`);
}
