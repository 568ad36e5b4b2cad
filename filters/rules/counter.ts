/**
 * Counts what the rules measure: in WebAssembly where the runtime has it and the text is no longer than the kernel takes, else in TypeScript.
 */
import type { Document } from "../../core/document.ts";
import type { TextCounts } from "./counts.ts";
import { type KernelCounter, kernelCounter } from "./kernel-counter.ts";
import { pages } from "./page.ts";
import { PlainCounts } from "./plain-counts.ts";

/** Counts one text; what it gave for the text before must not be asked for new groups then. A string that was the last is not read again. Deterministic. */
export type Counter = (document: Pick<Document, "text" | "utf8">) => TextCounts;

/** Makes a counter. It owns the memory of the last text, and opens the kernel for the first. */
export function textCounter(): Counter {
  let kernel: KernelCounter | null | undefined;
  const plain = plainCounter();
  let last: { readonly text: string; readonly counts: TextCounts } | undefined;
  const read: Counter = (document) => {
    if (kernel === undefined) kernel = kernelCounter();
    return kernel?.count(document) ?? plain(document);
  };
  return (document) => {
    if (document.utf8 !== undefined) {
      last = undefined;
      return read(document);
    }
    const { text } = document;
    if (last?.text !== text) last = { text, counts: read(document) };
    return last.counts;
  };
}

/** Makes a counter in plain TypeScript. */
export function plainCounter(): Counter {
  const turn = pages();
  return ({ text }) => new PlainCounts(turn(text));
}
