/**
 * The same outcomes as `recordParser` for one line of JSON, the common ones from its bytes: a text is never a JavaScript string unless
 * someone asks for it. Whatever is unusual goes to `recordParser`, which alone knows what is wrong with a record.
 */
import type { Document } from "../core/document.ts";
import type { DomainName } from "../core/domain.ts";
import type { FieldValue } from "../filters/index.ts";
import { fieldScores } from "./field-scores.ts";
import { ABSENT, type BytePath, bytePath, type JsonScanner, jsonScanner } from "./json-scanner.ts";
import type { Line } from "./lines.ts";
import {
  domainRule,
  jsonValue,
  type RecordParser,
  recordParser,
  type SourceOptions,
  stringOf,
  textFieldsOf,
  urlPathOf,
} from "./records.ts";
import { TextBlocks } from "./text-blocks.ts";

/** Checks the options and makes the parser of one file's lines, whose texts lie in `blocks`. Throws ERR_ARGUMENT and ERR_DOMAIN. */
export function byteRecordParser(
  source: string,
  options: SourceOptions = {},
  blocks = new TextBlocks(false),
  scanner: JsonScanner | null = jsonScanner(),
): RecordParser {
  const parse = recordParser(source, options);
  if (scanner === null) return parse;
  const textFields = textFieldsOf(options).map(bytePath);
  const domains = domainRule(source, options);
  const domainField = domains.field && bytePath(domains.field);
  const urlPath = urlPathOf(options);
  const urlBytes = urlPath && bytePath(urlPath);
  const { paths, read: scoresOf } = fieldScores(options.scoreFields);
  const scorePaths = paths.map(bytePath);
  let unjudged = false;
  const held = (_: unknown, field: number): FieldValue => {
    const place = scanner.find(scorePaths[field]!);
    if (place < ABSENT) unjudged = true;
    return place < 0 ? undefined : jsonValue(scanner.value(place));
  };

  const scan = (line: Line): Document | null => {
    if (line.bytes === null || !scanner.scan(line.bytes)) return null;
    const utf8 = textIn(scanner, textFields, blocks);
    if (utf8 === null) return null;
    const place = domainField === null ? ABSENT : scanner.find(domainField);
    if (place < ABSENT) return null;
    const domain = domains.of(place === ABSENT ? undefined : scanner.value(place));
    if (typeof domain !== "string") return null;
    const urlPlace = urlBytes === null ? ABSENT : scanner.find(urlBytes);
    if (urlPlace < ABSENT) return null;
    const url = urlPlace === ABSENT ? null : stringOf(scanner.value(urlPlace));
    unjudged = false;
    const scores = scoresOf(held);
    if (unjudged || (scores !== undefined && "code" in scores)) return null;
    return new Utf8Document(source, line.line, domain, utf8, urlBytes === null ? undefined : url, scores);
  };
  return (line) => scan(line) ?? parse(line);
}

/** The text of the first field that is there; null where it is no text or cannot be told. */
function textIn(scanner: JsonScanner, fields: readonly BytePath[], blocks: TextBlocks): Buffer | null {
  for (const field of fields) {
    const place = scanner.find(field);
    const text = place >= 0 ? scanner.text(place) : null;
    if (text !== null) return blocks.copy(text);
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
  readonly url?: string | null;
  readonly scores?: Int32Array;
  #text: string | undefined;

  constructor(
    source: string,
    line: number,
    domain: DomainName,
    utf8: Buffer,
    url: string | null | undefined,
    scores: Int32Array | undefined,
  ) {
    this.source = source;
    this.line = line;
    this.domain = domain;
    this.utf8 = utf8;
    if (url !== undefined) this.url = url;
    if (scores) this.scores = scores;
  }

  get text(): string {
    this.#text ??= this.utf8.toString();
    return this.#text;
  }
}
