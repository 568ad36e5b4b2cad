/**
 * headrace: data curation and data mixing for continual pre-training.
 *
 * source → document → tokens → verdict → shard → sampler → batch → trainer → loss → weights
 */
export type { Document, TokenIds } from "./core/document.ts";
export {
  type DomainLosses,
  type DomainName,
  type DomainWeights,
  domainName,
  domainWeights,
  SLIMPAJAMA_DOMAINS,
} from "./core/domain.ts";
export { type ErrorCode, HeadraceError } from "./core/errors.ts";
export { type BuildOptions, type BuildReport, build } from "./pipeline/index.ts";
export { openSampler, type SampleBatch, type Sampler, type SamplerOptions } from "./samplers/index.ts";
export { readManifest, type ShardManifest, verifyShards } from "./shards/index.ts";
