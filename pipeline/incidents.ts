/**
 * What became of input that is not a document: a record set aside (quarantine) or a stretch of a file that could not be read (incident).
 * Both are values with a reason. Nothing that was read may end up in neither a document, a quarantine nor an incident.
 */
import type { DomainName } from "../core/domain.ts";

/** Why a record could not become a document; the first word of `Quarantined.reason`. */
export type QuarantineCode =
  | "bad-utf8" // a byte sequence that is not UTF-8
  | "bad-json" // the line is not JSON
  | "not-object" // the line is JSON, but not an object
  | "no-text" // none of the text fields is there
  | "text-not-string" // the text field holds something else
  | "empty-text" // the text has no characters
  | "no-domain" // neither a field, the path nor an option says the domain
  | "unmapped-domain" // the domain field holds a name that the map does not know
  | "no-score" // a score field is not there, or null
  | "score-not-number" // a score field holds something else
  | "score-out-of-range" // a score field holds a number that its scale does not allow
  | "filter-failed" // a filter of one's own threw, or was stopped
  | "too-long" // the line is longer than maxDocumentBytes
  | "fragment"; // part of a line that was torn by an incident

/** One record that could not become a document: a line of quarantine.jsonl. */
export interface Quarantined {
  /** Path of the file under the input root, with `/`. */
  readonly source: string;
  /** 1-based number of the physical line. */
  readonly line: number;
  /** [byteFrom, byteTo) of the line, without its line break, in the decompressed stream; absent where a filter set the document aside. */
  readonly byteFrom?: number;
  readonly byteTo?: number;
  /** A QuarantineCode, a colon, a space and what was seen. The same on every version of Node. */
  readonly reason: string;
  /** Present when it is known in spite of the defect. */
  readonly domain?: DomainName;
}

/** One stretch of a stored file that could not be read: a line of incidents.jsonl. How many records it held is unknown. */
export interface Incident {
  readonly source: string;
  /** [byteFrom, byteTo) in the file as stored; empty where a file ends too soon and every byte it has was read. */
  readonly byteFrom: number;
  readonly byteTo: number;
  readonly reason: string;
}

/** Bytes of an input file as stored; read + unreadable = total. */
export interface ByteAccount {
  readonly read: number;
  readonly unreadable: number;
  readonly total: number;
  /** SHA-256 of all of them, 64 hex digits; null where not all of them were looked at. */
  readonly sha256: string | null;
}

/** The code that a reason starts with. */
export function quarantineCode(reason: string): QuarantineCode {
  return reason.slice(0, reason.indexOf(":")) as QuarantineCode;
}
