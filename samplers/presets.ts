/**
 * The published weights and reference losses, each with its source. Numbers only; policy.ts gives them names.
 */
import {
  type DomainName,
  type DomainWeights,
  domainName,
  domainWeights,
  SLIMPAJAMA_DOMAINS,
} from "../core/domain.ts";

/** LLaMA's own proportions, LLaMA-MoE's default; arXiv 2406.16554, smoe/data/dynamic_selection.py (`llama_prob_map`). */
export const LLAMA_WEIGHTS: DomainWeights = domainWeights({
  commoncrawl: 0.67,
  c4: 0.15,
  github: 0.045,
  wikipedia: 0.045,
  book: 0.045,
  arxiv: 0.025,
  stackexchange: 0.02,
});

/** Sheared-LLaMA's average data use in its continued pre-training, LLaMA-MoE's best static mix; smoe/data/dynamic_selection.py. */
export const SHEARED_WEIGHTS: DomainWeights = domainWeights({
  commoncrawl: 0.361,
  c4: 0.492,
  github: 0.008,
  wikipedia: 0.031,
  book: 0.091,
  arxiv: 0.007,
  stackexchange: 0.01,
});

/** The weights that LLM-Shearing starts pruning with (arXiv 2310.06694, llmshearing/scripts/pruning.sh); they are LLaMA's. */
export const SHEARING_PRUNING_START: DomainWeights = LLAMA_WEIGHTS;

/** The weights that LLM-Shearing starts its continued pre-training with (llmshearing/scripts/continue_pretrain.sh). */
export const SHEARING_CONTINUED_START: DomainWeights = domainWeights({
  commoncrawl: 0.2192,
  c4: 0.6845,
  github: 0.0002,
  wikipedia: 0.0096,
  book: 0.0791,
  arxiv: 0.001,
  stackexchange: 0.0064,
});

/** 1/K for each of K domains. Throws ERR_DOMAIN on a wrong name. */
export function uniformWeights(domains: readonly string[]): DomainWeights {
  return domainWeights(
    Object.fromEntries(domains.map((name) => [domainName(name), 1 / domains.length])),
    domains,
  );
}

/** Losses to compare with, and where they come from. They belong to a model, a tokenizer and a validation set. */
export interface ReferenceLosses {
  /** What was measured, on what, by whom: one line. */
  readonly source: string;
  /** Mean nats a token, by domain. */
  readonly losses: Readonly<Record<DomainName, number>>;
}

/** LLaMA-2-7B on LLaMA-MoE's own validation files, used for both dynamic strategies; smoe/data/dynamic_selection.py. */
export const LLAMA_2_7B_REFERENCE: ReferenceLosses = reference(
  "LLaMA-2-7B on LLaMA-MoE's validation files (arXiv 2406.16554, smoe/data/dynamic_selection.py)",
  [
    1.6916865110397339, 2.074881076812744, 0.6984495520591736, 1.5899001359939575, 1.925248146057129,
    1.2408167123794556, 1.4974864721298218,
  ],
);

/** Sheared-LLaMA's targets for 370M parameters: LLaMA-2's losses extrapolated; llmshearing/scripts/pruning.sh. */
export const SHEARED_370M_REFERENCE: ReferenceLosses = reference(
  "Sheared-LLaMA target for 370M parameters (arXiv 2310.06694, llmshearing/scripts/pruning.sh)",
  [2.1401, 2.3139, 0.8694, 2.047, 2.3625, 1.6637, 1.7791],
);

/** Sheared-LLaMA's targets for 1.3B parameters; llmshearing/scripts/pruning.sh. */
export const SHEARED_1300M_REFERENCE: ReferenceLosses = reference(
  "Sheared-LLaMA target for 1.3B parameters (arXiv 2310.06694, llmshearing/scripts/pruning.sh)",
  [1.9643, 2.1251, 0.7459, 1.759, 2.1393, 1.4449, 1.6117],
);

/** Sheared-LLaMA's targets for 2.7B parameters; llmshearing/scripts/pruning.sh. continue_pretrain.sh uses them for 1.3B too, by a slip. */
export const SHEARED_2700M_REFERENCE: ReferenceLosses = reference(
  "Sheared-LLaMA target for 2.7B parameters (arXiv 2310.06694, llmshearing/scripts/pruning.sh)",
  [1.8712, 2.0328, 0.6883, 1.6297, 2.0325, 1.356, 1.5353],
);

/** The reference losses by the names that a command line uses. */
export const REFERENCE_PRESETS: Readonly<Record<string, ReferenceLosses>> = {
  "llama-2-7b": LLAMA_2_7B_REFERENCE,
  "sheared-370m": SHEARED_370M_REFERENCE,
  "sheared-1.3b": SHEARED_1300M_REFERENCE,
  "sheared-2.7b": SHEARED_2700M_REFERENCE,
};

/** SlimPajama's tokens by domain: 627 B times the token shares of its card (cerebras/SlimPajama-627B), in units of 1e8 tokens. */
export const SLIMPAJAMA_TOKENS: Readonly<Record<DomainName, number>> = byDomain([
  327.3e9, 167.4e9, 32.6e9, 23.8e9, 26.3e9, 28.8e9, 20.7e9,
]);

function reference(source: string, losses: readonly number[]): ReferenceLosses {
  return { source, losses: byDomain(losses) };
}

/** Values in the order of SLIMPAJAMA_DOMAINS. */
function byDomain(values: readonly number[]): Readonly<Record<DomainName, number>> {
  return Object.fromEntries(SLIMPAJAMA_DOMAINS.map((name, i) => [name, values[i]!]));
}
