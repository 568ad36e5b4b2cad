/** The calibration of a measured build: half of the advertising, and whatever breaks a published rule. Made before, not measured. */
import { calibrate, curateSetup, openCurator, planInputs, writeCalibration } from "../pipeline/index.ts";

/** Calibrates `filters` on `input`, writes the file and returns its path. */
export async function calibrateBuild(
  file: string,
  input: string,
  filters: readonly string[],
): Promise<string> {
  const { files } = await planInputs([input]);
  const targets = filters.map((name) => (name === "ads" ? "ads=0.5:documents" : `${name}=1:flagged`)).join();
  const curator = await openCurator(await curateSetup({ filters }));
  await writeCalibration(file, await calibrate({ targets, files, source: {}, curator, documents: 2_000 }));
  return file;
}
