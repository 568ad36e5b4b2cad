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
  /** Integer scores of the score fields that were asked for, in their order; absent where none were. */
  readonly scores?: Int32Array;
}
