/**
 * The same outcomes as `recordParser` for one line of JSON, the common ones from its bytes: a text is never a JavaScript string unless
 * someone asks for it. Whatever is unusual goes to `recordParser`, which alone knows what is wrong with a record, and so do all lines
 * where scores are read from them.
 */
import type { Document } from "../core/document.ts";
import type { DomainName } from "../core/domain.ts";
import { ABSENT, type BytePath, bytePath, type JsonScanner, jsonScanner } from "./json-scanner.ts";
import type { Line } from "./lines.ts";
import { domainRule, type RecordParser, recordParser, type SourceOptions, textFieldsOf } from "./records.ts";

/** Checks the options and makes the parser of one file's lines. Throws ERR_ARGUMENT and ERR_DOMAIN. */
export function byteRecordParser(
  source: string,
  options: SourceOptions = {},
  scanner: JsonScanner | null = jsonScanner(),
): RecordParser {
  const parse = recordParser(source, options);
  if (scanner === null || (options.scoreFields?.length ?? 0) > 0) return parse;
  const textFields = textFieldsOf(options).map(bytePath);
  const domains = domainRule(source, options);
  const domainField = domains.field && bytePath(domains.field);

  const scan = (line: Line): Document | null => {
    if (line.bytes === null || !scanner.scan(line.bytes)) return null;
    const utf8 = textIn(scanner, textFields);
    if (utf8 === null) return null;
    const place = domainField === null ? ABSENT : scanner.find(domainField);
    if (place < ABSENT) return null;
    const domain = domains.of(place === ABSENT ? undefined : scanner.value(place));
    return typeof domain === "string" ? new Utf8Document(source, line.line, domain, utf8) : null;
  };
  return (line) => scan(line) ?? parse(line);
}

/** The text of the first field that is there; null where it is no text or cannot be told. */
function textIn(scanner: JsonScanner, fields: readonly BytePath[]): Buffer | null {
  for (const field of fields) {
    const place = scanner.find(field);
    if (place >= 0) return scanner.text(place);
    if (place !== ABSENT) return null;
  }
  return null;
}

/** A document whose text is UTF-8; the string is made when it is asked for. */
class Utf8Document implements Document {
  readonly source: string;
  readonly line: number;
  readonly domain: DomainName;
  readonly utf8: Buffer;
  #text: string | undefined;

  constructor(source: string, line: number, domain: DomainName, utf8: Buffer) {
    this.source = source;
    this.line = line;
    this.domain = domain;
    this.utf8 = utf8;
  }

  get text(): string {
    this.#text ??= this.utf8.toString();
    return this.#text;
  }
}
