/** Entry point `headrace/filters`: text and tokens in, verdict out; training, calibration and evaluation of the built-in filters. */
export { ADS } from "./ads.ts";
export {
  type CalibrationRequest,
  type CalibrationSample,
  calibrateCascade,
  thresholdsAt,
} from "./calibrate.ts";
export {
  CALIBRATION_FORMAT,
  type CalibratedFilter,
  type Calibration,
  cascadeOf,
  type DomainThreshold,
  type Prediction,
  parseCalibration,
  parseCalibrationJson,
  type ThresholdChoice,
} from "./calibration.ts";
export { classOfPiece, type PieceTable, piecesOf } from "./classes.ts";
export { type Contribution, heaviest, type TokenContribution } from "./contribution.ts";
export { type DriftAlarm, driftAlarm, type ObservedDrop, type ObservedTask, taskDrift } from "./drift.ts";
export {
  type CutEvaluation,
  type DomainEvaluation,
  type Evaluation,
  evaluateFilter,
  type ReliabilityBin,
} from "./evaluate.ts";
export { explainScore } from "./explain.ts";
export { type Excerpt, MEASURE_NAMES, type Measure } from "./features.ts";
export {
  type CascadeStep,
  type DropWhen,
  drops,
  FILTERED_DOMAINS,
  type Filter,
  type FilterVerdict,
  judge,
  SCORE_LIMIT,
  SCORE_UNIT,
  type ScoreColumn,
} from "./filter.ts";
export { FLUENCY } from "./fluency.ts";
export { type RateInterval, wilson } from "./interval.ts";
export {
  collectLabelled,
  type LabelledCorpus,
  type LabelledDocument,
  type Labels,
  labelId,
  parseLabels,
  readLabels,
} from "./labels.ts";
export { BUILT_IN_FILTERS, EARLIER_MODELS, loadFilter, readModel, writeModel } from "./load.ts";
export {
  areaUnderRoc,
  averagePrecision,
  type CutQuality,
  cutQuality,
  flagsByDomain,
  type PairedRanking,
  pairedRanking,
  rankingOf,
} from "./metrics.ts";
export {
  type FilterModel,
  isModelFilter,
  type MeasureTable,
  MODEL_FORMAT,
  MODEL_FORMATS,
  type Products,
  type ValueTable,
} from "./model.ts";
export { filterOf, formatModel, parseModel } from "./model-file.ts";
export {
  DUPLICATES_FORMAT,
  type DuplicatesHeader,
  duplicatesText,
  type FileDuplicates,
  textDigest,
} from "./own/duplicates.ts";
export type { FilterModule } from "./own/function.ts";
export { openOwnFilter } from "./own/open.ts";
export {
  type Band,
  type OwnDocument,
  type OwnFilter,
  type OwnNoScore,
  type OwnValue,
  ownColumn,
  ownScore,
} from "./own/own-filter.ts";
export { type OwnSpec, parseOwnSpec } from "./own/spec.ts";
export { unreached } from "./reached.ts";
export { bothReadings, cascadeReadings, type Reading, type TargetReadings } from "./readings.ts";
export type { Recipe } from "./recipe.ts";
export { RECIPES } from "./recipes.ts";
export type { Rule, RuleFilter, RuleSet } from "./rules/rule-set.ts";
export { findRuleFilter, RULE_SETS } from "./rules/sets.ts";
export { type ScoreAll, scoreAll } from "./score-all.ts";
export {
  type FieldValue,
  flagAtOf,
  type NoScore,
  parseScoreField,
  passingScore,
  type ScoreField,
  scoreField,
  scoreFieldColumn,
  scoreOfField,
} from "./score-field.ts";
export { parseTargets, TARGET_UNITS, type Target, type TargetUnit, targetText } from "./targets.ts";
export { isFlagged } from "./threshold.ts";
export { type HeldOutScore, heldOutScores, type TrainingRequest, trainFilter } from "./train.ts";
export type { DomainFlags, Ranking, Training } from "./training.ts";
