/**
 * The list of exact duplicates that `headrace duplicates` makes, and the filter that it is: 1 for a document whose text an earlier one of
 * the inputs has, else 0. Which copy stays is said in the list, so no worker, task or machine decides it.
 */
import { hash } from "node:crypto";
import { HeadraceError } from "../../core/errors.ts";
import { sha256 } from "../../core/hash.ts";
import { array, boolean, integer, object, oneOf, type Parser, parseJson, string } from "../../core/parse.ts";
import { readText } from "./files.ts";
import type { OpenedFilter, OwnDocument, OwnValue } from "./own-filter.ts";
import { type OwnSpec, ownScale } from "./spec.ts";

export const DUPLICATES_FORMAT = "headrace-duplicates/1";

/** Hexadecimal digits of a text's hash in the list: 64 bits, against lists of other inputs. */
const DIGITS = 16;

/** The first line of a list. */
export interface DuplicatesHeader {
  readonly format: typeof DUPLICATES_FORMAT;
  /** Whether texts are the same that differ in letter case and white space alone. */
  readonly normalised: boolean;
  /** Documents that were read. */
  readonly documents: number;
  readonly duplicates: number;
  /** All files, in the order of reading. */
  readonly sources: readonly string[];
}

/** A further line: the duplicates of one file, ascending. */
export interface FileDuplicates {
  readonly source: string;
  readonly lines: readonly number[];
  /** 16 hexadecimal digits of the SHA-256 of each text, one after another. */
  readonly hashes: string;
  /** Of each, the first document with the text: number of its source in the header, line. */
  readonly first: readonly (readonly number[])[];
}

const header: Parser<DuplicatesHeader> = object(
  {
    format: oneOf(DUPLICATES_FORMAT),
    normalised: boolean,
    documents: integer(0),
    duplicates: integer(0),
    sources: array(string),
  },
  { strict: true },
);
const fileDuplicates: Parser<FileDuplicates> = object(
  { source: string, lines: array(integer(1)), hashes: string, first: array(array(integer(0))) },
  { strict: true },
);

/** What two documents with the same text have in common, 32 bytes. `utf8` saves making a string of it. */
export function textDigest(
  document: { readonly text: string; readonly utf8?: Uint8Array },
  normalised: boolean,
): Buffer {
  return hash(
    "sha256",
    normalised ? normalisedText(document.text) : (document.utf8 ?? document.text),
    "buffer",
  );
}

function normalisedText(text: string): string {
  return text.toLowerCase().replace(/\s+/g, " ").trim();
}

/** The text of a list. */
export function duplicatesText(head: DuplicatesHeader, files: readonly FileDuplicates[]): string {
  return [head, ...files].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** The filter of `duplicates:LIST`. Throws ERR_ARGUMENT, ERR_INPUT, ERR_PARSE and ERR_FILTER. */
export async function openDuplicates(spec: OwnSpec): Promise<OpenedFilter> {
  const text = await readText(spec, spec.value);
  const [first = "", ...rest] = text.split("\n");
  const head = parseJson(first, header, `${spec.value}:1`);
  const listed = new Map(
    head.sources.map((source) => [source, new Map<number, { hash: string; of: string }>()]),
  );
  let count = 0;
  for (const [i, line] of rest.entries()) {
    if (line === "") continue;
    const file = parseJson(line, fileDuplicates, `${spec.value}:${i + 2}`);
    const own = listed.get(file.source);
    for (const [j, number] of file.lines.entries()) {
      const [at = -1, ofLine = 0] = file.first[j] ?? [];
      own?.set(number, {
        hash: file.hashes.slice(DIGITS * j, DIGITS * (j + 1)),
        of: `${head.sources[at]}:${ofLine}`,
      });
      count++;
    }
  }
  if (count !== head.duplicates)
    throw new HeadraceError(
      "ERR_FILTER",
      `${spec.value} has ${count} duplicates and says ${head.duplicates}: it is cut or damaged; make it again with headrace duplicates`,
    );
  const valueFor = (document: OwnDocument): OwnValue => {
    const own = listed.get(document.source);
    if (own === undefined)
      return { failed: `knows no ${document.source}: ${spec.value} was made of other inputs; make it again` };
    const duplicate = own.get(document.line);
    if (duplicate === undefined) return 0;
    return textDigest(document, head.normalised).toString("hex", 0, DIGITS / 2) === duplicate.hash
      ? 1
      : {
          failed: `has another text in this line: the input changed after ${spec.value} was made; make it again`,
        };
  };
  return {
    ...ownScale(spec, { dropWhen: "high", scale: 1, cut: 0.5, missing: "quarantine" }),
    identity: { list: sha256(text) },
    everywhere: true,
    saturates: false,
    values: (documents) => documents.map(valueFor),
    why: ({ source, line }) => [listed.get(source)?.get(line)?.of ?? []].flat(),
  };
}
