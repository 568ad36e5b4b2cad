/**
 * Compile-time laws of the nouns: what must not type-check carries `@ts-expect-error`, and a line of it that does type-check is an error.
 */
import type { Document, TokenIds } from "../../core/document.ts";
import {
  type DomainLosses,
  type DomainName,
  type DomainWeights,
  domainName,
  domainWeights,
} from "../../core/domain.ts";
import { HeadraceError } from "../../core/errors.ts";
import { object, optional, type Parser, string } from "../../core/parse.ts";

export const name: DomainName = domainName("c4");
// @ts-expect-error a string is no domain name until it was checked
export const text: DomainName = "c4";

export const weights: DomainWeights = domainWeights({ c4: 1 });
// @ts-expect-error a plain object is no weights until it was checked
export const unchecked: DomainWeights = { [name]: 1 };
// @ts-expect-error losses are not weights
export const losses: (losses: DomainLosses) => DomainWeights = (x) => x;
// @ts-expect-error weights are never changed in place
weights[name] = 0.5;

export function retitle(document: Document): void {
  // @ts-expect-error a document is never changed in place
  document.text = "";
}

// @ts-expect-error token ids are 16-bit unsigned or 32-bit signed, as the two Arrow columns are
export const ids: TokenIds = new Uint32Array(1);

// @ts-expect-error a code that no list has
export const error = new HeadraceError("ERR_NO_SUCH_CODE", "");

const parse = object({ a: string, b: optional(string) });
export const parsed: Parser<{ readonly a: string; readonly b: string | undefined }> = parse;
// @ts-expect-error a parser of objects does not give a string
export const wrong: Parser<string> = parse;
