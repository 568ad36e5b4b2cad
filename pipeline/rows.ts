/**
 * One row of a table in, one document or one quarantined record out: the same outcomes as for JSON lines (`records.ts`), never an exception.
 * Text is decoded here, strictly, and keeps a leading U+FEFF.
 */
import type { Document } from "../core/document.ts";
import type { Cell, FieldPath, TableRows } from "./cells.ts";
import { cellValue, fieldScores } from "./field-scores.ts";
import type { QuarantineCode, Quarantined } from "./incidents.ts";
import {
  type DomainResult,
  domainRule,
  maxDocumentBytesOf,
  noText,
  type SourceOptions,
  textFieldsOf,
  urlPathOf,
} from "./records.ts";
import { invalidUtf8At } from "./utf8.ts";

/** How the rows of one file are read. */
export interface RowParser {
  readonly text: readonly FieldPath[];
  readonly domain: FieldPath | null;
  readonly url: FieldPath | null;
  readonly scores: readonly FieldPath[];
  readonly maxBytes: number;
  /** The outcome of row `i` of `rows`; `columns` are the names of the table's columns. */
  parse(rows: TableRows, i: number, columns: readonly string[]): Document | Quarantined;
}

/** Checks the options and makes the parser of one file's rows. Throws ERR_ARGUMENT and ERR_DOMAIN. */
export function rowParser(source: string, options: SourceOptions = {}): RowParser {
  const text = textFieldsOf(options);
  const maxBytes = maxDocumentBytesOf(options);
  const rule = domainRule(source, options);
  const url = urlPathOf(options);
  const { paths: scoreFields, read: scoresOf } = fieldScores(options.scoreFields);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

  const domainOf = (cell: Cell): DomainResult => {
    if (cell === null || cell === undefined) return rule.of(cell);
    if (cell instanceof Uint8Array) return rule.of(lenient.decode(cell));
    const what =
      typeof cell === "number"
        ? "a number"
        : "holds" in cell
          ? cell.holds
          : `a string of ${cell.bytes} bytes`;
    return {
      code: "unmapped-domain",
      detail: `\`${rule.field!.name}\` is ${what}, which no domain is mapped to; name another field, or the domain of this input`,
    };
  };

  const addressOf = (cell: Cell) => (cell instanceof Uint8Array ? lenient.decode(cell) : null);

  const parse: RowParser["parse"] = (rows, i, columns) => {
    const domain = domainOf(rows.domain?.[i]);
    const refuse = (code: QuarantineCode, detail: string): Quarantined => ({
      source,
      line: rows.line + i,
      byteFrom: rows.byteFrom,
      byteTo: rows.byteTo,
      reason: `${code}: ${detail}`,
      ...(typeof domain === "string" ? { domain } : {}),
    });
    const cell = rows.text.find((cells) => cells[i] !== undefined)?.[i];
    if (cell === undefined) return refuse("no-text", noText(text, columns));
    if (cell === null) return refuse("text-not-string", "the text field holds null, not a string");
    if (typeof cell === "number" || "holds" in cell) {
      const holds = typeof cell === "number" ? "a number" : cell.holds;
      return refuse("text-not-string", `the text field holds ${holds}, not a string`);
    }
    const bytes = cell instanceof Uint8Array ? cell.length : cell.bytes;
    if (!(cell instanceof Uint8Array) || bytes > maxBytes)
      return refuse("too-long", `the text has ${bytes} bytes, more than the ${maxBytes} allowed`);
    let decoded: string;
    try {
      decoded = decoder.decode(cell);
    } catch {
      const at = invalidUtf8At(cell);
      const byte = cell[at]!.toString(16).padStart(2, "0");
      return refuse("bad-utf8", `byte 0x${byte} at ${at} of the text is not UTF-8`);
    }
    if (decoded === "") return refuse("empty-text", "the text has no characters");
    if (typeof domain !== "string") return refuse(domain.code, domain.detail);
    const scores = scoresOf((_, f) => cellValue(rows.scores[f]?.[i]));
    if (scores !== undefined && "code" in scores) return refuse(scores.code, scores.detail);
    const address = url && { url: addressOf(rows.url?.[i]) };
    return { source, line: rows.line + i, domain, text: decoded, ...address, ...(scores && { scores }) };
  };
  return { text, domain: rule.field, url, scores: scoreFields, maxBytes, parse };
}
