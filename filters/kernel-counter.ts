/**
 * The counter of ids in WebAssembly (count-kernel/): the counts of `plainCounter`, its checking twin. Memory: 25 bytes an id of the vocabulary, and of at least 65,536 ids.
 */
import type { TokenIds } from "../core/document.ts";
import { type Memory, webAssembly } from "../core/web-assembly.ts";
import { CLASS_COUNT } from "./classes.ts";
import { COUNT_KERNEL_BASE64 } from "./count-kernel-module.ts";
import type { Excerpt, TokenCounter } from "./id-counts.ts";

interface Place {
  readonly value: number;
}

interface Kernel {
  readonly memory: Memory;
  readonly tokens: Place;
  readonly seen: Place;
  readonly records: Place;
  readonly ids: Place;
  readonly levels: Place;
  readonly classes: Place;
  readonly results: Place;
  open(vocabulary: number, once: boolean): void;
  begin(): void;
  take16(count: number): void;
  take32(count: number): void;
  finish(): void;
}

/** Ids that the kernel takes at a time. */
const STRIDE = 65_536;

let compiled: object | null | undefined;

function compile(): object | null {
  const bytes = Buffer.from(COUNT_KERNEL_BASE64, "base64");
  return webAssembly?.validate(bytes) ? new webAssembly.Module(bytes) : null;
}

/**
 * A counter in WebAssembly, or null where the runtime has none. `counters` are what the ids' counts begin with, `records` four words an id:
 * class and length of its piece, and its weights.
 */
export function kernelCounter(
  counters: Int32Array,
  records: Int32Array,
  { head, tail, level }: Excerpt,
): TokenCounter | null {
  compiled ??= compile();
  if (compiled === null) return null;
  // Every id of 16 bits has its place, so that none of another vocabulary writes over the tables; wider ones are checked.
  const vocabulary = Math.max(counters.length, 65_536);
  const kernel = new webAssembly!.Instance(compiled).exports as Kernel;
  kernel.open(vocabulary, level === "presence");
  const { buffer } = kernel.memory;
  new Int32Array(buffer, kernel.seen.value, vocabulary).set(counters);
  new Int32Array(buffer, kernel.records.value, 4 * vocabulary).set(records);
  const narrow = new Uint16Array(buffer, kernel.tokens.value, STRIDE);
  const wide = new Int32Array(buffer, kernel.tokens.value, STRIDE);
  const ids = new Int32Array(buffer, kernel.ids.value, vocabulary + 1);
  const levels = new Uint8Array(buffer, kernel.levels.value, vocabulary + 1);
  const classes = new Uint32Array(buffer, kernel.classes.value, CLASS_COUNT);
  const results = new Float64Array(buffer, kernel.results.value, 15);
  const take = (tokens: TokenIds, start: number, end: number) => {
    for (let from = start; from < end; from += STRIDE) {
      const some = tokens.subarray(from, Math.min(end, from + STRIDE));
      if (some instanceof Uint16Array) {
        narrow.set(some);
        kernel.take16(some.length);
      } else {
        wide.set(some);
        kernel.take32(some.length);
      }
    }
  };
  return (tokens, count) => {
    const whole = count <= head + tail;
    kernel.begin();
    take(tokens, 0, whole ? count : head);
    if (!whole) take(tokens, count - tail, count);
    kernel.finish();
    return {
      tokens: whole ? count : head + tail,
      characters: results[3]!,
      classes,
      ids,
      levels,
      distinct: results[0]!,
      sums: [results[5]!, results[6]!, results[7]!],
      squares: results[4]!,
      lines: results[1]!,
      longestLine: results[2]!,
      once: results[8]!,
      contentSquares: results[9]!,
      lowLines: results[10]!,
      shortLineTokens: results[11]!,
      middlingLineTokens: results[12]!,
      lineSquares: results[13]!,
      longestSentence: results[14]!,
    };
  };
}
