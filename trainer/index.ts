/** Entry point `headrace/trainer`: the loop with a trainer, from both ends. */
export { type ConnectOptions, connectTrainer, TrainerClient } from "./client.ts";
export { ConnectionLost, type HostHandler, type HostOptions } from "./conversation.ts";
export { type Host, openHost } from "./host.ts";
export { runTrainer, type TrainerHooks } from "./loop.ts";
export { type MetricsLine, scalarsOf } from "./metrics/line.ts";
export { type MetricsOptions, RunMetrics } from "./metrics/run-metrics.ts";
export { convertToMoe, type MoeReport } from "./moe-convert.ts";
export {
  type Acknowledgement,
  ADDRESS_VARIABLE,
  type Address,
  type ClientMessage,
  formatAddress,
  formatMessage,
  type Hello,
  type HostMessage,
  lineSplitter,
  MESSAGE_BYTES,
  PROTOCOL,
  parseAddress,
  parseClientMessage,
  parseHostMessage,
  type Ready,
  type ReportMessage,
  type StageMessage,
  TOKEN_VARIABLE,
  type TrainerState,
  type Welcome,
} from "./protocol.ts";
export type { TrainProgress } from "./recorder.ts";
export { measureReference, type ReferenceOptions, type ReferenceReport } from "./reference.ts";
export { type Reference, readReference, referenceFor, writeReference } from "./reference-file.ts";
export { type BegunRun, beginRun, type RunOptions } from "./run-plan.ts";
export { runSession, type SessionOptions, type SessionTimes } from "./session.ts";
export {
  commandLine,
  describeExit,
  type Exit,
  type Subprocess,
  startSubprocess,
  type TrainerCommand,
} from "./subprocess.ts";
export { type TrainOptions, train } from "./train.ts";
export type { StageReport, TrainReport } from "./train-report.ts";
export { resolveTrainer } from "./trainers.ts";
