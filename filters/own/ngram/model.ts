/**
 * A back-off n-gram model in memory: every n-gram is a node under the n-gram of its words but the last, found by (parent, word), so look-ups
 * are exact. log10 p(w | h) = log10 p of the longest n-gram of h that ends in w, plus the back-off weights of all longer ends of h that are
 * there (as in SRILM and KenLM). 32 to 64 bytes an n-gram, and the words' strings.
 */

/** The parent of single words. */
const ROOT = -1;
/** No such node. */
const NONE = -2;
/** The word that stands for all that are not known. */
const UNKNOWN = ["<unk>", "<UNK>"];
/** log10 of the probability of an unknown word in a model that has none for it, as KenLM's. */
const UNKNOWN_LOG10 = -100;

/** Nodes by (parent, word). */
export class NgramModel {
  readonly order: number;
  readonly #words = new Map<string, number>();
  #parents = new Int32Array(1024);
  #last = new Int32Array(1024);
  /** log10; NaN for an n-gram that only others are under. */
  #log10 = new Float32Array(1024);
  #backoff = new Float32Array(1024);
  #slots = new Int32Array(4096).fill(-1);
  #count = 0;
  #unknown = 0;

  constructor(order: number) {
    this.order = order;
  }

  /** Adds an n-gram; false where it is there already. */
  add(words: readonly string[], log10: number, backoff: number): boolean {
    let node = ROOT;
    for (const word of words) node = this.#child(node, this.#number(word), true);
    if (!Number.isNaN(this.#log10[node]!)) return false;
    this.#log10[node] = log10;
    this.#backoff[node] = backoff;
    return true;
  }

  /** Makes the model ready to score: a word that was in no text has a probability, too. */
  finish(): void {
    if (UNKNOWN.every((word) => !this.#words.has(word))) this.add([UNKNOWN[0]!], UNKNOWN_LOG10, 0);
    this.#unknown = this.#words.get(UNKNOWN[0]!) ?? this.#words.get(UNKNOWN[1]!)!;
  }

  /** Sum of log10 of the probabilities of the words after `<s>` and, last, of `</s>`; what a text spells like these two is unknown. */
  log10Of(words: Iterable<string>): { readonly log10: number; readonly count: number } {
    const contexts = new Int32Array(this.order).fill(NONE);
    contexts[0] = ROOT;
    const start = this.#words.get("<s>");
    if (start !== undefined && this.order > 1) contexts[1] = this.#child(ROOT, start, false);
    let log10 = 0;
    let count = 0;
    for (const word of words) {
      const isMark = word === "<s>" || word === "</s>";
      log10 += this.#next(contexts, (isMark ? undefined : this.#words.get(word)) ?? this.#unknown);
      count++;
    }
    return {
      log10: log10 + this.#next(contexts, this.#words.get("</s>") ?? this.#unknown),
      count: count + 1,
    };
  }

  /** log10 p of a word after the contexts, of which entry k is the node of the last k words, and moves them on. */
  #next(contexts: Int32Array, word: number): number {
    const { order } = this;
    let log10 = Number.NaN;
    let backoff = 0;
    for (let k = order - 1; k >= 0; k--) {
      const context = contexts[k]!;
      const node = context === NONE ? NONE : this.#child(context, word, false);
      if (Number.isNaN(log10)) {
        if (node >= 0 && !Number.isNaN(this.#log10[node]!)) log10 = this.#log10[node]!;
        else if (k > 0 && context >= 0) backoff += this.#backoff[context]!;
      }
      // From the longest down, so that entry k is read before it is replaced.
      if (k + 1 < order) contexts[k + 1] = node;
    }
    return log10 + backoff;
  }

  #number(word: string): number {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    this.#words.set(word, this.#words.size);
    return this.#words.size - 1;
  }

  /** The node of a word under a parent; NONE where there is none, unless it shall be made. */
  #child(parent: number, word: number, make: boolean): number {
    const mask = this.#slots.length - 1;
    let at = mix(parent, word) & mask;
    for (let node = this.#slots[at]!; node >= 0; node = this.#slots[at]!) {
      if (this.#parents[node] === parent && this.#last[node] === word) return node;
      at = (at + 1) & mask;
    }
    if (!make) return NONE;
    if (this.#count === this.#parents.length || 2 * this.#count >= mask) {
      this.#grow();
      return this.#child(parent, word, true);
    }
    const node = this.#count++;
    this.#parents[node] = parent;
    this.#last[node] = word;
    this.#log10[node] = Number.NaN;
    this.#slots[at] = node;
    return node;
  }

  #grow(): void {
    const size = 2 * this.#parents.length;
    const enlarge = <T extends Int32Array | Float32Array>(array: T): T => {
      const larger = new (array.constructor as new (length: number) => T)(size);
      larger.set(array as never);
      return larger;
    };
    this.#parents = enlarge(this.#parents);
    this.#last = enlarge(this.#last);
    this.#log10 = enlarge(this.#log10);
    this.#backoff = enlarge(this.#backoff);
    this.#slots = new Int32Array(4 * size).fill(-1);
    const mask = this.#slots.length - 1;
    for (let node = 0; node < this.#count; node++) {
      let at = mix(this.#parents[node]!, this.#last[node]!) & mask;
      while (this.#slots[at]! >= 0) at = (at + 1) & mask;
      this.#slots[at] = node;
    }
  }
}

function mix(parent: number, word: number): number {
  let hash = Math.imul(parent ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(word, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
