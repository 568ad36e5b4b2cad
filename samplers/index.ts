/** Entry point `headrace/samplers`: weights and schedules in, batches out. Loads no tokenizer, filter, subprocess or native module. */

export type { TokenIds } from "../core/document.ts";
export { acquireLock, type Lock, withLock } from "../core/lock.ts";
export { readManifest, type ShardManifest } from "../shards/manifest.ts";
export { type Branch, branchRun, branchSchedule } from "./branch.ts";
export { decidedEnd } from "./chain.ts";
export {
  compareSchedules,
  type DomainDeparture,
  type EditReport,
  readEdited,
  sealEdited,
} from "./edit.ts";
export { type Evaluation, evaluationRows, measurableDomains, validationHash } from "./evaluation.ts";
export { type Exhaustion, firstExhaustion, parseExhaustion, rowLimits } from "./exhaustion.ts";
export {
  parseHeader,
  type ScheduleDomain,
  type ScheduleHeader,
  trainDomains,
  wholeBatches,
} from "./header.ts";
export { type DomainNumbers, type LiveNumbers, liveNumbers } from "./live.ts";
export { localPermutation, type OrderWindow } from "./local-order.ts";
export type { LossMaskOptions } from "./loss-mask.ts";
export { type LossReport, type LossSum, meanLosses, parseLossReport, readLossLog } from "./losses.ts";
export {
  allocate,
  integerWeights,
  type MixtureCursor,
  type MixtureStage,
  type MixtureState,
  mixtureCursor,
  PARTS,
  settle,
} from "./mixture.ts";
export {
  banditRule,
  doremiRule,
  type Measured,
  odmRule,
  PUBLISHED_ODM_AVERAGE,
  velocituneRule,
} from "./more-rules.ts";
export {
  batchOrder,
  type DomainOrder,
  domainOrder,
  type Epoch,
  type Permutation,
  permutation,
} from "./order.ts";
export { loadPolicy, type OwnPolicy, ownChange, type PolicyState } from "./own-policy.ts";
export { choosePacking, type Packing, packedRowsHolding } from "./packing.ts";
export {
  type BatchPlan,
  openPlan,
  type Plan,
  type RankShare,
  rankPositions,
} from "./plan.ts";
export {
  initialWeights,
  type LossDrivenPolicy,
  PUBLISHED_EVERY_TOKENS,
  parsePolicy,
  RULES,
  type RuleName,
  type StaticPolicy,
  updateWeights,
  type WeightPolicy,
  type WeightUpdate,
} from "./policy.ts";
export {
  LLAMA_2_7B_REFERENCE,
  LLAMA_WEIGHTS,
  REFERENCE_PRESETS,
  type ReferenceLosses,
  SHEARED_370M_REFERENCE,
  SHEARED_1300M_REFERENCE,
  SHEARED_2700M_REFERENCE,
  SHEARED_WEIGHTS,
  SHEARING_CONTINUED_START,
  SHEARING_PRUNING_START,
  SLIMPAJAMA_TOKENS,
  uniformWeights,
} from "./presets.ts";
export { applyRails, DEFAULT_RAILS, parseRails, type RailAction, type Rails } from "./rails.ts";
export {
  type ReplayOptions,
  type ReplayProgress,
  type ReplayReport,
  verifyReplay,
} from "./replay.ts";
export { type ReplayedBatch, replayBatches } from "./replay-batches.ts";
export type { ReplayDifference } from "./replay-difference.ts";
export { checkLossReport, formatLossReport } from "./report.ts";
export { lossDriven, POLICY_NAMES, type PolicyOptions, resolvePolicy } from "./resolve-policy.ts";
export { type Change, type ReviseOptions, reviseRun, reviseSchedule } from "./revise.ts";
export {
  appendUpdate,
  averageWeights,
  beginSchedule,
  nextReport,
  type Reweighting,
  reweight,
  settleReports,
  weightsOf,
} from "./reweight.ts";
export { clampRule, PUBLISHED_SOFTMAX, softmaxRule } from "./rules.ts";
export {
  createRun,
  listReports,
  type RunPaths,
  type RunRecord,
  readReport,
  readReportFile,
  readRun,
  recordReport,
  runPaths,
  writeRun,
} from "./run.ts";
export {
  openSampler,
  requireShards,
  type SampleBatch,
  type Sampler,
  type SamplerOptions,
  type SamplerState,
} from "./sampler.ts";
export {
  appendStage,
  createSchedule,
  exhaustedDomains,
  requireExtends,
  type ScheduleState,
  type StageRequest,
  scheduleState,
} from "./schedule.ts";
export { parseSchedule, readSchedule, writeSchedule } from "./schedule-file.ts";
export {
  type RunLength,
  type ScheduledPolicy,
  scheduledPolicy,
  stretchesOf,
  type WeightPoint,
  type WeightStretch,
} from "./scheduled.ts";
export {
  addServed,
  type RowIds,
  readServedLog,
  type ServedLines,
  ServedLog,
  servedHash,
  servedKeys,
} from "./served.ts";
export { plannedHashes } from "./served-plan.ts";
export {
  corpusOf,
  type DomainSupply,
  LOSS_MODEL,
  type SimulationOptions,
  type SimulationReport,
  simulate,
} from "./simulate.ts";
export { simulationChart } from "./simulation-chart.ts";
export { type Revision, type Schedule, type StageCause, stagesInForce, type WeightStage } from "./stage.ts";
export { temperatureWeights, unimaxWeights } from "./supply-weights.ts";
export { type ServedRow, type Stretch, whereServed } from "./where.ts";
