/**
 * The scores of filters that a person brought, a batch of documents at a time, before anything is judged: a document for which one of them
 * has no score is quarantined like any bad record, with the filter's reason. A later filter may see only the band of an earlier one's scores.
 */
import type { Document, TokenIds } from "../core/document.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import {
  type Band,
  type DropWhen,
  type Filter,
  flagAtOf,
  type OwnDocument,
  type OwnFilter,
  type OwnNoScore,
  ownScore,
  passingScore,
  SCORE_UNIT,
  scoreAll,
} from "../filters/index.ts";
import type { Quarantined } from "./incidents.ts";
import type { InputFile } from "./inputs.ts";
import { readSource, type SourceChunk, type SourceOptions } from "./source.ts";
import { encodeDocumentInto, type Tokenizer, tokenBuffer } from "./tokenizer/index.ts";

/** Documents that a filter sees at a time. */
const BATCH_DOCUMENTS = 256;

/** What must be known of a column to choose thresholds. */
export interface OwnColumn {
  readonly name: string;
  readonly dropWhen: DropWhen;
  /** The integer score beyond which a document is flagged. */
  readonly flagAt: number | null;
  /** Whether it applies to every domain of the sample unless told otherwise. */
  readonly everywhere: boolean;
}

/** Scores the documents of a chunk. */
export interface OwnScorer {
  /** Its columns, in their order: plain data, from which the score table can be judged anew. */
  readonly columns: readonly OwnColumn[];
  /** The chunk with every document scored or quarantined; each list stays in the order of lines. */
  scored(chunk: SourceChunk): Promise<SourceChunk>;
  /** What made each filter's value of a document, where the filter can say so. */
  why(document: Document): Readonly<Record<string, readonly string[]>>;
}

/** Reads a file as `readSource` does, with the scores of the curator's own filters. Throws what `readSource` throws. */
export function readScored(
  file: InputFile,
  options: SourceOptions,
  { own }: { readonly own: OwnScorer | null },
  place?: { readonly fromLine?: number; readonly lend?: boolean },
): AsyncGenerator<SourceChunk> {
  const chunks = readSource(file, options, place);
  return own === null ? chunks : scoredEach(chunks, own);
}

async function* scoredEach(chunks: AsyncGenerator<SourceChunk>, own: OwnScorer): AsyncGenerator<SourceChunk> {
  for await (const chunk of chunks) yield await own.scored(chunk);
}

/** What a scorer is bound to. */
interface OwnRequest {
  /** One that nobody else counts by: documents are encoded here ahead of their turn. */
  readonly tokenizer: Tokenizer;
  /** The filters whose columns come first. */
  readonly loaded: readonly Filter[];
  readonly brought: readonly OwnFilter[];
  /** Names of all columns: of `loaded`, of `brought`, then of the score fields. */
  readonly columns: readonly string[];
}

/** The scorer of filters. Throws ERR_FILTER where a band names no earlier column. */
export function ownScorer({ tokenizer, loaded, brought, columns }: OwnRequest): OwnScorer {
  const fields = loaded.length + brought.length;
  const bands = brought.map(
    ({ name, band }, b) => band && bandColumn(name, band, columns, loaded.length + b, fields),
  );
  const scoreLoaded = scoreAll(loaded);
  const needLoaded = bands.some((column) => column !== null && column < loaded.length);
  const first = loaded.length;

  async function score(documents: readonly Document[]): Promise<readonly (Int32Array | OwnNoScore)[]> {
    const seen = documents.map((document) => new SeenDocument(document, tokenizer));
    const scores: (Int32Array | OwnNoScore)[] = documents.map((document, i) => {
      const row = new Int32Array(columns.length);
      const { tokens } = needLoaded ? seen[i]! : { tokens: NO_TOKENS };
      if (needLoaded) scoreLoaded(document, tokens, tokens.length, row);
      if (document.scores) row.set(document.scores, first + brought.length);
      return row;
    });
    for (const [b, filter] of brought.entries()) {
      const column = bands[b]!;
      const reached: number[] = [];
      for (const [i, row] of scores.entries()) {
        if ("code" in row) continue;
        if (column !== null && !isWithin(filter.band!, row[column]!))
          row[first + b] = passingScore(filter.dropWhen);
        else reached.push(i);
      }
      if (reached.length === 0) continue;
      const values = await valuesOf(
        filter,
        reached.map((i) => seen[i]!),
      );
      for (const [r, i] of reached.entries()) {
        const one = ownScore(filter, values[r]);
        if (typeof one === "number") (scores[i] as Int32Array)[first + b] = one;
        else scores[i] = one;
      }
    }
    return scores;
  }

  return {
    columns: brought.map((filter) => ({
      name: filter.name,
      dropWhen: filter.dropWhen,
      flagAt: flagAtOf(filter),
      everywhere: filter.everywhere ?? false,
    })),
    async scored(chunk) {
      const documents: Document[] = [];
      const aside: Quarantined[] = [];
      for (let from = 0; from < chunk.documents.length; from += BATCH_DOCUMENTS) {
        const batch = chunk.documents.slice(from, from + BATCH_DOCUMENTS);
        for (const [i, row] of (await score(batch)).entries()) {
          const { source, line, domain } = batch[i]!;
          if ("code" in row) aside.push({ source, line, reason: `${row.code}: ${row.detail}`, domain });
          else documents.push(new ScoredDocument(batch[i]!, row.subarray(first)));
        }
      }
      if (aside.length === 0) return { ...chunk, documents };
      const quarantined = [...chunk.quarantined, ...aside].sort((a, b) => a.line - b.line);
      return { ...chunk, documents, quarantined };
    },
    why(document) {
      const seen = new SeenDocument(document, tokenizer);
      return Object.fromEntries(brought.flatMap(({ name, why }) => (why ? [[name, why(seen)]] : [])));
    },
  };
}

const NO_TOKENS = new Int32Array();

/** The values of a batch; a filter that throws or gives another number of values fails on each of its documents. */
async function valuesOf(filter: OwnFilter, documents: readonly OwnDocument[]) {
  let failed: string;
  try {
    const values = await filter.values(documents);
    if (values.length === documents.length) return values;
    failed = `gave ${values.length} values for ${documents.length} documents`;
  } catch (error) {
    failed = `threw ${JSON.stringify(messageOf(error))}`;
  }
  return documents.map(() => ({ failed }));
}

function isWithin({ from, to }: Band, score: number): boolean {
  const value = score / SCORE_UNIT;
  return value >= from && value < to;
}

function bandColumn(
  name: string,
  { filter }: Band,
  columns: readonly string[],
  own: number,
  fields: number,
): number {
  const column = columns.indexOf(filter);
  // Score fields come last and are known before anything is scored.
  if (column >= 0 && (column < own || column >= fields)) return column;
  throw new HeadraceError(
    "ERR_FILTER",
    `filter "${name}" is for a band of "${filter}", which is no earlier filter; those are ${[...columns.slice(0, own), ...columns.slice(fields)].join(", ") || "none"}`,
  );
}

/** A document as a filter sees it. */
class SeenDocument implements OwnDocument {
  readonly #document: Document;
  readonly #tokenizer: Tokenizer;
  #tokens: TokenIds | undefined;

  constructor(document: Document, tokenizer: Tokenizer) {
    this.#document = document;
    this.#tokenizer = tokenizer;
  }

  get text(): string {
    return this.#document.text;
  }
  get url(): string | null {
    return this.#document.url ?? null;
  }
  get source(): string {
    return this.#document.source;
  }
  get line(): number {
    return this.#document.line;
  }
  get domain(): string {
    return this.#document.domain;
  }
  get tokens(): TokenIds {
    this.#tokens ??= encoded(this.#tokenizer, this.#document);
    return this.#tokens;
  }
}

function encoded(tokenizer: Tokenizer, document: Document): TokenIds {
  const buffer = tokenBuffer(tokenizer);
  const count = encodeDocumentInto(tokenizer, document, { bos: false, eos: false }, buffer, 0);
  return buffer.ids.slice(0, count);
}

/** A document with its scores. */
class ScoredDocument implements Document {
  readonly source: string;
  readonly line: number;
  readonly domain: Document["domain"];
  readonly utf8?: Uint8Array;
  readonly scores: Int32Array;
  readonly #document: Document;

  constructor(document: Document, scores: Int32Array) {
    this.source = document.source;
    this.line = document.line;
    this.domain = document.domain;
    if (document.utf8) this.utf8 = document.utf8;
    this.scores = scores;
    this.#document = document;
  }

  get text(): string {
    return this.#document.text;
  }
}
