/**
 * A real, small language model: an interpolated trigram model that learns online, in plain TypeScript.
 * Each order is smoothed by the one below it (Witten and Bell 1991, method C): p(t|h) = (c(h,t) + n(h)·p(t|shorter h)) / (c(h) + n(h)),
 * with n(h) the distinct tokens seen after h. Counts are exact, so probabilities sum to 1; it is deterministic, and a saved model goes on
 * to the last bit. It gives up everything that a network learns beyond three tokens.
 */

import type { TokenIds } from "../../core/document.ts";
import { HeadraceError } from "../../core/errors.ts";
import { CountTable } from "./table.ts";

/** Sizes of a model. */
export interface ModelShape {
  /** Number of token ids; at most 2^20. */
  readonly vocabulary: number;
  /** log2 of the slots for pairs of tokens. Default 20: 20 MB. */
  readonly pairBits: number;
  /** log2 of the slots for triples of tokens. Default 22: 48 MB. */
  readonly tripleBits: number;
}

/** A loss as its sum and the number of tokens it was taken over. */
export interface LossSum {
  /** Nats. */
  readonly lossSum: number;
  readonly tokens: number;
}

/** The model. Learning changes it; scoring does not. */
export class TrigramModel {
  readonly shape: ModelShape;
  readonly #single: Uint32Array;
  #total = 0;
  #distinct = 0;
  readonly #afterToken: Uint32Array;
  readonly #kindsAfterToken: Uint32Array;
  readonly #pairs: CountTable;
  readonly #afterPair: Uint32Array;
  readonly #kindsAfterPair: Uint32Array;
  readonly #triples: CountTable;

  /** A model that knows nothing: every token has probability 1 / vocabulary. */
  constructor(shape: Partial<ModelShape> & Pick<ModelShape, "vocabulary">, saved?: SavedArrays) {
    this.shape = { pairBits: 20, tripleBits: 22, ...shape };
    const { vocabulary, pairBits, tripleBits } = this.shape;
    if (vocabulary > 2 ** 20)
      throw new HeadraceError(
        "ERR_TRAINER",
        `the embedded trainer takes up to 1,048,576 token ids, not ${vocabulary}; use --trainer torch`,
      );
    this.#single = saved?.single ?? new Uint32Array(vocabulary);
    this.#afterToken = saved?.afterToken ?? new Uint32Array(vocabulary);
    this.#kindsAfterToken = saved?.kindsAfterToken ?? new Uint32Array(vocabulary);
    this.#pairs = new CountTable(pairBits, saved?.pairKeys, saved?.pairCounts);
    this.#afterPair = saved?.afterPair ?? new Uint32Array(2 ** pairBits);
    this.#kindsAfterPair = saved?.kindsAfterPair ?? new Uint32Array(2 ** pairBits);
    this.#triples = new CountTable(tripleBits, saved?.tripleKeys, saved?.tripleCounts);
    for (const count of this.#single) {
      this.#total += count;
      if (count > 0) this.#distinct++;
    }
  }

  /** The loss of `tokens[from + 1, to)`, each given the tokens before it from `from` on. */
  score(tokens: TokenIds, from: number, to: number): LossSum {
    return this.#walk(tokens, from, to, false);
  }

  /** The same loss, each token scored before it is learnt; then the row is part of the model. */
  learn(tokens: TokenIds, from: number, to: number): LossSum {
    return this.#walk(tokens, from, to, true);
  }

  /** The arrays that make up the model, for `save`. */
  arrays(): SavedArrays {
    return {
      single: this.#single,
      afterToken: this.#afterToken,
      kindsAfterToken: this.#kindsAfterToken,
      pairKeys: this.#pairs.keys,
      pairCounts: this.#pairs.counts,
      afterPair: this.#afterPair,
      kindsAfterPair: this.#kindsAfterPair,
      tripleKeys: this.#triples.keys,
      tripleCounts: this.#triples.counts,
    };
  }

  #walk(tokens: TokenIds, from: number, to: number, learning: boolean): LossSum {
    let lossSum = 0;
    let pair = -1; // the slot of (token before the last, last)
    for (let i = from + 1; i < to; i++) {
      const last = tokens[i - 1]!;
      const token = tokens[i]!;
      lossSum -= Math.log(this.#probability(pair, last, token));
      if (learning) this.#raise(pair, last, token);
      pair = this.#pairs.find(last, token);
    }
    return { lossSum, tokens: Math.max(0, to - from - 1) };
  }

  #probability(pair: number, last: number, token: number): number {
    const { vocabulary } = this.shape;
    let p =
      this.#total === 0
        ? 1 / vocabulary
        : (this.#single[token]! + this.#distinct / vocabulary) / (this.#total + this.#distinct);
    const after = this.#afterToken[last]!;
    if (after === 0) return p;
    const kinds = this.#kindsAfterToken[last]!;
    const slot = this.#pairs.find(last, token);
    p = ((slot < 0 ? 0 : this.#pairs.counts[slot]!) + kinds * p) / (after + kinds);
    if (pair < 0) return p;
    const afterPair = this.#afterPair[pair]!;
    if (afterPair === 0) return p;
    const kindsPair = this.#kindsAfterPair[pair]!;
    const triple = this.#triples.find(pair, token);
    return ((triple < 0 ? 0 : this.#triples.counts[triple]!) + kindsPair * p) / (afterPair + kindsPair);
  }

  #raise(pair: number, last: number, token: number): void {
    if (this.#single[token]!++ === 0) this.#distinct++;
    this.#total++;
    const slot = this.#pairs.take(last, token);
    if (slot >= 0) {
      this.#afterToken[last]!++;
      if (this.#pairs.counts[slot]!++ === 0) this.#kindsAfterToken[last]!++;
    }
    if (pair < 0) return;
    const triple = this.#triples.take(pair, token);
    if (triple < 0) return;
    this.#afterPair[pair]!++;
    if (this.#triples.counts[triple]!++ === 0) this.#kindsAfterPair[pair]!++;
  }
}

/** Every array of a model. */
export interface SavedArrays {
  readonly single: Uint32Array;
  readonly afterToken: Uint32Array;
  readonly kindsAfterToken: Uint32Array;
  readonly pairKeys: Float64Array;
  readonly pairCounts: Uint32Array;
  readonly afterPair: Uint32Array;
  readonly kindsAfterPair: Uint32Array;
  readonly tripleKeys: Float64Array;
  readonly tripleCounts: Uint32Array;
}
