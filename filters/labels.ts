/**
 * A label file (tab-separated with a header, or JSON lines; one document a row, named by the start of the SHA-1 of its text) and the
 * documents it is about.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Document, TokenIds } from "../core/document.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { anything, parseJson, record, string } from "../core/parse.ts";

/** A document that somebody read and graded. */
export interface LabelledDocument {
  /** A stable name of its text: decides the order and the folds. */
  readonly id: string;
  readonly domain: string;
  /** 0 to 3. */
  readonly grade: number;
  /** Nobody graded it; the grade is its domain's. */
  readonly assumed?: true;
  /** Token ids without BOS and EOS. */
  readonly tokens: TokenIds;
}

/** Grades by document. */
export interface Labels {
  /** What the labels were read from, for errors. */
  readonly subject: string;
  readonly grades: ReadonlyMap<string, number>;
  /** SHA-256 of the file's bytes. */
  readonly sha256: string;
}

/** Labels with the documents that they are about. */
export interface LabelledCorpus {
  /** Each text once. */
  readonly documents: readonly LabelledDocument[];
  /** Rows whose document was not seen. */
  readonly missing: number;
}

/** The column that names a document. */
const ID_COLUMN = "sha1_16";

/** The name of a text in a label file: the first 16 hex digits of the SHA-1 of its UTF-8. */
export function labelId(text: string): string {
  return createHash("sha1").update(text).digest("hex").slice(0, 16);
}

/** Reads one column of a label file. Throws ERR_INPUT when it cannot be read, ERR_PARSE when it is broken. */
export function readLabels(path: string, column: string): Labels {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `labels ${path} cannot be read (${messageOf(cause)})`, { cause });
  }
  return parseLabels(text, column, path);
}

/**
 * The grades in one column of a label file's text: JSON lines where its first character is a brace, else tab-separated with a header.
 * A line of JSON names its document by `sha1_16`, or has its `text`; one without the column grades nothing. Throws ERR_PARSE naming the line.
 */
export function parseLabels(text: string, column: string, subject: string): Labels {
  const grades = new Map<string, number>();
  for (const { line, name, grade } of text.startsWith("{")
    ? jsonRows(text, column, subject)
    : tabRows(text, column, subject)) {
    if (!/^[0-9a-f]{16}$/.test(name) || !/^[0-3]$/.test(grade))
      throw new HeadraceError(
        "ERR_PARSE",
        `${subject} line ${line} has ${ID_COLUMN} "${name}" and ${column} "${grade}"; expected 16 hex digits and a grade from 0 to 3`,
      );
    const earlier = grades.get(name);
    if (earlier !== undefined && earlier !== Number(grade))
      throw new HeadraceError(
        "ERR_PARSE",
        `${subject} line ${line} grades ${name} ${grade}, an earlier line ${earlier}; keep one of them`,
      );
    grades.set(name, Number(grade));
  }
  return { subject, grades, sha256: sha256(text) };
}

/** A row as it stands in a label file. */
interface LabelRow {
  /** From 1. */
  readonly line: number;
  readonly name: string;
  readonly grade: string;
}

function tabRows(text: string, column: string, subject: string): readonly LabelRow[] {
  const [header = "", ...lines] = text.split(/\r?\n/);
  const names = header.split("\t");
  const id = names.indexOf(ID_COLUMN);
  const grade = names.indexOf(column);
  if (id < 0 || grade < 0)
    throw new HeadraceError(
      "ERR_PARSE",
      `${subject} has the columns ${names.join(", ") || "(none)"}; a label file needs ${ID_COLUMN} and ${column}`,
    );
  return lines.flatMap((row, i) => {
    if (row === "") return [];
    const cells = row.split("\t");
    return [{ line: i + 2, name: cells[id] ?? "", grade: cells[grade] ?? "" }];
  });
}

function jsonRows(text: string, column: string, subject: string): readonly LabelRow[] {
  return text.split(/\r?\n/).flatMap((row, i) => {
    if (row === "") return [];
    const at = `${subject} line ${i + 1}`;
    const fields = parseJson(row, record(anything), at);
    const grade = fields[column];
    if (grade === undefined || grade === null) return [];
    const name =
      fields[ID_COLUMN] === undefined
        ? labelId(string(fields["text"], `${at}.text`))
        : string(fields[ID_COLUMN], `${at}.${ID_COLUMN}`);
    return [{ line: i + 1, name, grade: String(grade) }];
  });
}

/**
 * The graded ones among `documents`, and those that were not graded where `assumed` has a grade for their domain.
 * Throws ERR_INPUT when there is no graded one.
 */
export async function collectLabelled(
  { subject, grades }: Labels,
  documents: AsyncIterable<Document>,
  encode: (text: string) => TokenIds,
  assumed: Readonly<Record<string, number>> = {},
): Promise<LabelledCorpus> {
  const found = new Map<string, LabelledDocument>();
  let seen = 0;
  let graded = 0;
  for await (const { text, domain } of documents) {
    seen += 1;
    const id = labelId(text);
    if (found.has(id)) continue;
    const grade = grades.get(id);
    const guess = assumed[domain];
    if (grade !== undefined) {
      graded += 1;
      found.set(id, { id, domain, grade, tokens: encode(text) });
    } else if (guess !== undefined)
      found.set(id, { id, domain, grade: guess, assumed: true, tokens: encode(text) });
  }
  if (graded === 0)
    throw new HeadraceError(
      "ERR_INPUT",
      `none of the ${grades.size} rows of ${subject} names one of the ${seen} documents read; give the corpus that was labelled`,
    );
  return { documents: [...found.values()], missing: grades.size - graded };
}
