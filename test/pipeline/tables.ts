/**
 * The parquet and Arrow files of fixtures/parquet, and what their texts must be.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Document } from "../../core/document.ts";
import { DOMAIN_NAMES } from "../../pipeline/slimpajama.ts";
import type { SourceOptions } from "../../pipeline/source.ts";
import { ROOT } from "../support.ts";
import { type ReadBack, readBytes } from "./sources.ts";

export const TABLES = join(ROOT, "fixtures/parquet/files");

const expected = JSON.parse(readFileSync(join(TABLES, "expected.json"), "utf8")) as {
  readonly texts: readonly string[];
  readonly sets: readonly string[];
};

/** Row number, domain and hash of the text of every document that the corpus files hold. */
export const CORPUS: readonly string[] = expected.texts.map(
  (hash, i) => `${i + 1} ${DOMAIN_NAMES.get(expected.sets[i]!)} ${hash}`,
);

/** Files that hold something else than the corpus. */
const OTHERS = /^(hazards|numbers|none|lists|nested|empty)\./;

/** Names of the files that hold the corpus. */
export const CORPUS_FILES = readdirSync(TABLES).filter(
  (name) => !OTHERS.test(name) && !/\.jsonl?$/.test(name),
);

/** The bytes of a file. */
export function tableBytes(name: string): Buffer {
  return readFileSync(join(TABLES, name));
}

/** Reads bytes as a table of the given kind. */
export function readTableBytes(
  bytes: Uint8Array,
  format: "parquet" | "arrow",
  options: SourceOptions = {},
  place: { readonly fromLine?: number } = {},
): Promise<ReadBack> {
  return readBytes(bytes, `table.${format}`, options, place);
}

/** Reads a file of the folder. */
export function readTableFile(name: string, options: SourceOptions = {}): Promise<ReadBack> {
  return readTableBytes(tableBytes(name), formatOf(name), options);
}

export function formatOf(name: string): "parquet" | "arrow" {
  return name.endsWith(".parquet") ? "parquet" : "arrow";
}

/** A document as the lines of `CORPUS` have it. */
export function asCorpus({ line, domain, text }: Document): string {
  return `${line} ${domain} ${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}
