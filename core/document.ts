/**
 * The nouns that travel through the pipeline.
 */
import type { DomainName } from "./domain.ts";

/** Token ids: 16 bits where every id of the vocabulary fits, else 32 (as Arrow's uint16 and int32 columns). */
export type TokenIds = Uint16Array | Int32Array;

/** One text of the corpus and where it came from. */
export interface Document {
  /** Path of the file under the input root, with `/`. */
  readonly source: string;
  /** 1-based number of the physical line in that file. */
  readonly line: number;
  readonly domain: DomainName;
  /** May be made of `utf8` when it is asked for. */
  readonly text: string;
  /** The text in UTF-8, where it came so: valid, and the same text, so without lone surrogates. */
  readonly utf8?: Uint8Array;
  /** The address of the page, where a field for it was asked for and holds a string. */
  readonly url?: string | null;
  /** Integer scores that it has before it is judged: of filters of one's own, once they have scored it, then of the score fields, in their order. */
  readonly scores?: Int32Array;
}
