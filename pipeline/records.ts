/**
 * One line of JSON to one document, or to the reason why there is none. Never throws on a line, whatever it holds.
 * Escaped lone surrogates stay in the text as they are; of a key that occurs twice the last one counts.
 */
import type { Document } from "../core/document.ts";
import { type DomainName, domainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import type { FieldValue, ScoreField } from "../filters/index.ts";
import { type FieldPath, fieldPath } from "./cells.ts";
import { fieldScores } from "./field-scores.ts";
import type { QuarantineCode, Quarantined } from "./incidents.ts";
import type { Line } from "./lines.ts";
import { DOMAIN_NAMES, domainOfPath } from "./slimpajama.ts";
import { invalidUtf8At } from "./utf8.ts";

/** How a line is read. Plain data: it goes to workers and into the hash of a build. */
export interface SourceOptions {
  /** Fields that may hold the text; the first that is there counts. A dot goes into an object: `body.text`. Default `text`, `content`. */
  readonly textFields?: readonly string[];
  /** The domain of every record; fields and paths are not asked. Default: none. */
  readonly domain?: string;
  /** Field that names the domain; null: none. Default `meta.redpajama_set_name`. A record without it goes by its path. */
  readonly domainField?: string | null;
  /** Whether the file's name, or else its folders under the input root, may name the domain. Default true. */
  readonly domainFromPath?: boolean;
  /** Names in the field or path to domain names, laid over the names that SlimPajama and its kin use. Default: none. */
  readonly domainMap?: Readonly<Record<string, string>>;
  /** Longest line in bytes of JSON; longer ones are scanned past and quarantined. 1 to 536,870,888. Default 67,108,864 (64 MiB). */
  readonly maxDocumentBytes?: number;
  /** Field that holds the address of the page, for filters that look at it: `url`, `meta.url`. Default: none is read. */
  readonly urlField?: string;
  /** Fields that hold scores to filter by. Default: none. */
  readonly scoreFields?: readonly ScoreField[];
}

/** 64 MiB. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
/** The longest string of V8 on 64 bits, in characters. */
const MAX_STRING = 2 ** 29 - 24;

/** Turns a line into a document or a quarantined record. */
export type RecordParser = (line: Line) => Document | Quarantined;

/** Where the domain of a record comes from: a name, or what is wrong. */
export type DomainResult = DomainName | { readonly code: QuarantineCode; readonly detail: string };

/** Checks the options and makes the parser of one file's lines. Throws ERR_ARGUMENT and ERR_DOMAIN. */
export function recordParser(source: string, options: SourceOptions = {}): RecordParser {
  const textFields = textFieldsOf(options);
  const maxDocumentBytes = maxDocumentBytesOf(options);
  const domains = domainRule(source, options);
  const urlPath = urlPathOf(options);
  const scoresOf = fieldScores(options.scoreFields).read;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  return (line) => {
    const refuse = (
      code: QuarantineCode,
      detail: string,
      domain: DomainResult = domains.of(undefined),
    ): Quarantined => ({
      source,
      line: line.line,
      byteFrom: line.byteFrom,
      byteTo: line.byteTo,
      reason: `${code}: ${detail}`,
      ...(typeof domain === "string" ? { domain } : {}),
    });
    const { bytes } = line;
    if (bytes === null)
      return refuse(
        "too-long",
        `the line has ${line.byteTo - line.byteFrom} bytes, more than the ${maxDocumentBytes} allowed`,
      );
    let text: string;
    let value: unknown;
    try {
      text = decoder.decode(bytes);
    } catch {
      if (line.torn) return refuse("fragment", tornDetail(bytes.length));
      const at = invalidUtf8At(bytes);
      return refuse(
        "bad-utf8",
        `byte 0x${bytes.toString("hex", at, at + 1)} at ${at} of the line is not UTF-8`,
      );
    }
    try {
      value = JSON.parse(text);
    } catch {
      if (line.torn) return refuse("fragment", tornDetail(bytes.length));
      return refuse("bad-json", `${bytes.length} bytes that are not JSON: ${excerpt(text)}`);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return line.torn
        ? refuse("fragment", tornDetail(bytes.length))
        : refuse("not-object", `the line is ${kindOf(value)}, not an object: ${excerpt(text)}`);

    const domain = domains.of(domains.field === null ? undefined : valueAt(value, domains.field));
    const found = textFields.map((path) => valueAt(value, path)).find((field) => field !== undefined);
    if (found === undefined) {
      return refuse("no-text", noText(textFields, Object.keys(value)), domain);
    }
    if (typeof found !== "string")
      return refuse("text-not-string", `the text field holds ${kindOf(found)}, not a string`, domain);
    if (found === "") return refuse("empty-text", "the text has no characters", domain);
    if (typeof domain !== "string") return refuse(domain.code, domain.detail, domain);
    const scores = scoresOf((path) => jsonValue(valueAt(value, path)));
    if (scores !== undefined && "code" in scores) return refuse(scores.code, scores.detail, domain);
    const url = urlPath && { url: stringOf(valueAt(value, urlPath)) };
    return { source, line: line.line, domain, text: found, ...url, ...(scores && { scores }) };
  };
}

/** The limit in force. Throws ERR_ARGUMENT. */
export function maxDocumentBytesOf({ maxDocumentBytes = MAX_DOCUMENT_BYTES }: SourceOptions): number {
  if (!Number.isSafeInteger(maxDocumentBytes) || maxDocumentBytes < 1 || maxDocumentBytes > MAX_STRING)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `maxDocumentBytes is ${maxDocumentBytes}; it is a whole number from 1 to ${MAX_STRING}`,
    );
  return maxDocumentBytes;
}

/** The text fields that are asked for. Throws ERR_ARGUMENT. */
export function textFieldsOf({ textFields = ["text", "content"] }: SourceOptions): readonly FieldPath[] {
  if (textFields.length === 0)
    throw new HeadraceError("ERR_ARGUMENT", "there is no text field; name at least one, such as text");
  return textFields.map(fieldPath);
}

/** The field of the address; null where none is asked for. */
export function urlPathOf({ urlField }: SourceOptions): FieldPath | null {
  return urlField === undefined ? null : fieldPath(urlField);
}

/** A string, or null for anything else: an address that is none is no reason to lose a document. */
export function stringOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** How the domain of a record is found. */
export interface DomainRule {
  /** The field to ask; null where none need be. */
  readonly field: FieldPath | null;
  /** The domain of a record, given what that field holds; undefined where it is not there. */
  of(named: unknown): DomainResult;
}

/** How the domains of a file's records are found. Throws ERR_DOMAIN. */
export function domainRule(source: string, options: SourceOptions): DomainRule {
  if (options.domain !== undefined) {
    const fixed = domainName(options.domain);
    return { field: null, of: () => fixed };
  }
  const names = new Map(DOMAIN_NAMES);
  for (const [from, to] of Object.entries(options.domainMap ?? {})) names.set(from, domainName(to));
  const field =
    options.domainField === null ? null : fieldPath(options.domainField ?? "meta.redpajama_set_name");
  const fromPath = (options.domainFromPath ?? true) ? domainOfPath(source, names) : null;
  const of = (named: unknown): DomainResult => {
    if (named === undefined || named === null)
      return (
        fromPath ?? {
          code: "no-domain",
          detail: `${field === null ? "" : `no \`${field.name}\` in the record and `}no domain in the path; name it with --domain`,
        }
      );
    const domain = typeof named === "string" ? names.get(named) : undefined;
    return (
      domain ?? {
        code: "unmapped-domain",
        detail: `\`${field!.name}\` is ${clip(JSON.stringify(named))}, which no domain is mapped to; map it with --map-domain NAME=DOMAIN`,
      }
    );
  };
  return { field, of };
}

/** What a field of JSON holds, as a score field sees it. */
export function jsonValue(value: unknown): FieldValue {
  return typeof value === "number" || value === null || value === undefined
    ? value
    : { holds: kindOf(value) };
}

/** What an object's own fields hold at a path: the field of that whole name, else one inside another; undefined for nothing. */
function valueAt(value: object, { name, keys }: FieldPath): unknown {
  if (Object.hasOwn(value, name)) return (value as Readonly<Record<string, unknown>>)[name];
  let at: unknown = value;
  for (const key of keys) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at;
}

function kindOf(value: unknown): string {
  return value === null
    ? "null"
    : Array.isArray(value)
      ? "a list"
      : typeof value === "object"
        ? "an object"
        : `a ${typeof value}`;
}

/** Says which fields were looked for and which are there. */
export function noText(textFields: readonly FieldPath[], fields: readonly string[]): string {
  const names = textFields.map((path) => `\`${path.name}\``).join(" or ");
  const shown = fields.slice(0, 10).map((name) => clip(name, 40));
  const more = fields.length > 10 ? [`${fields.length - 10} more`] : [];
  return `no ${names}; fields seen: ${fields.length === 0 ? "none" : [...shown, ...more].join(", ")}`;
}

function tornDetail(bytes: number): string {
  return `${bytes} bytes of a line that was torn by an unreadable stretch of the file`;
}

/** The start and the end of a text, as a JSON string. */
function excerpt(text: string): string {
  return text.length <= 80
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, 50))} to ${JSON.stringify(text.slice(-30))}`;
}

function clip(text: string, length = 80): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}
