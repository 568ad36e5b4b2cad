/** Entry point `headrace/pipeline`: corpus files in, filtered Arrow shards out. */
export type { Document, TokenIds } from "../core/document.ts";
export { build } from "./build.ts";
export { type BuildShard, type MissingShard, parseBuildShard, UnfinishedBuild } from "./build-shard.ts";
export {
  type CalibrateRequest,
  calibrate,
  calibrateAndRead,
  readCalibration,
  writeCalibration,
} from "./calibrate.ts";
export { type CurateSetup, type Curator, type Judged, openCurator } from "./curator.ts";
export { type DoctorRequest, doctor, type Finding } from "./doctor.ts";
export { type DuplicatesFound, findDuplicates } from "./duplicates.ts";
export type { Estimate, Expected, Forecast } from "./forecast.ts";
export { forecastRefilter } from "./forecast-from.ts";
export { forecastBuild } from "./forecast-input.ts";
export { type InputFile, type InputPlan, planInputs, type SkippedInput } from "./inputs.ts";
export {
  type InspectedDocuments,
  type InspectRequest,
  inspect,
} from "./inspect/inspect.ts";
export type { Explanation, Inspected, Run, Weighed } from "./inspect/inspected.ts";
export { writeInspectPage } from "./inspect/page.ts";
export { nameOfPart } from "./inspect/part-name.ts";
export { visibleText } from "./inspect/visible.ts";
export { type LedgerRow, ledgerSummary, rebuildLedger } from "./ledger.ts";
export { buildShard, finishBuild } from "./machines.ts";
export type { BuildOptions, BuildProgress } from "./options.ts";
export { curateSetup } from "./prepare.ts";
export { refilter } from "./refilter.ts";
export type { RefilterOptions } from "./refilter-plan.ts";
export type { BuildReport } from "./report.ts";
export { type ScoreLine, scoreDocuments } from "./score.ts";
export type { ShardReport } from "./shard-report.ts";
export {
  type Incident,
  type Quarantined,
  readSource,
  type SourceChunk,
  type SourceOptions,
} from "./source.ts";
export { encodeDocument, loadTokenizer, type Tokenizer } from "./tokenizer/index.ts";
