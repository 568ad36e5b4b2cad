/**
 * The small byte-level vocabularies of the fixtures, and the hash that their oracle takes of ids.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ROOT } from "../../support.ts";

export const FORMS: readonly string[] = ["gpt-2", "gpt-2-prefix", "llama-3", "qwen-2", "o200k", "smollm-2"];

export function formFile(name: string): string {
  return join(ROOT, "fixtures/tokenizer/byte-level", `${name}.json`);
}

/** SHA-256 over lists of ids, each as little-endian uint32: its length, then the ids. */
export function digest(lists: Iterable<ArrayLike<number>>): string {
  const hash = createHash("sha256");
  for (const ids of lists)
    hash.update(Buffer.from(Uint32Array.from([ids.length, ...Array.from(ids)]).buffer));
  return hash.digest("hex");
}
