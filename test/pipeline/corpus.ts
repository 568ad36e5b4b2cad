/**
 * Small corpora for the tests of the build, made from a number, and the trees that builds leave.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { mix32 } from "../../core/random.ts";

const WORDS =
  "the of and a to in is was for on that with as it at by from river mill wheel water buy now sale price free click order today language model token corpus shard batch weight loss".split(
    " ",
  );
export const SET_NAMES = [
  "RedPajamaCommonCrawl",
  "RedPajamaC4",
  "RedPajamaGithub",
  "RedPajamaWikipedia",
  "RedPajamaBook",
  "RedPajamaArXiv",
  "RedPajamaStackExchange",
] as const;

/** Text of `words` words; the same for the same seed. */
export function textOf(seed: number, words: number): string {
  const picked = Array.from({ length: words }, (_, i) => WORDS[mix32(seed * 65_537 + i) % WORDS.length]!);
  return picked.join(" ");
}

/** One SlimPajama line. */
export function lineOf(text: string, set: string): string {
  return `${JSON.stringify({ text, meta: { redpajama_set_name: set } })}\n`;
}

/** Writes `files` zstd files of `documents` documents over all seven domains under `folder`, the larger domains first. */
export function writeCorpus(folder: string, files: number, documents: number): void {
  for (let file = 0; file < files; file++) {
    const lines = Array.from({ length: documents }, (_, i) => {
      const seed = file * documents + i;
      const set = SET_NAMES[[0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6][seed % 12]!]!;
      return lineOf(textOf(seed, 20 + (mix32(seed) % 120)), set);
    });
    writeFile(join(folder, `example_train_${file}.jsonl.zst`), zstdCompressSync(lines.join("")));
  }
}

/** Writes a file and the folders it needs. */
export function writeFile(path: string, data: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
}

/** SHA-256 of every file under a folder by path, but for the build's own scratch. */
export function tree(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => !name.startsWith(".build"))
    .sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex"),
    ]),
  );
}
