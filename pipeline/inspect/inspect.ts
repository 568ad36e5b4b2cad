/**
 * `headrace inspect`: documents of a build to read, with their scores and what weighed most in them: either side of a threshold, or spread
 * over the scores. The text is decoded from the shards' own tokens, so it needs no input file and shows what a trainer sees.
 */
import { join } from "node:path";
import { HeadraceError } from "../../core/errors.ts";
import type { DropWhen } from "../../filters/index.ts";
import { openShard, type Split, type TokenShard, tokenArray } from "../../shards/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type Candidate, candidatesOf, nearest, reaching, spread } from "./candidates.ts";
import { type Explainer, explainerOf } from "./explainer.ts";
import type { Inspected } from "./inspected.ts";
import { type Inspection, openInspection } from "./inspection.ts";

/** What to look at. */
export interface InspectRequest {
  readonly dir: string;
  /** The filter whose scores order the documents. */
  readonly filter: string;
  /** The file of the filter's model, where it is not one that comes with headrace. */
  readonly model?: string;
  /** Which splits; default train and dropped. */
  readonly splits?: readonly Split[];
  /** One domain; default all. */
  readonly domain?: string;
  /** Documents that reach the filter nearest to their domain's threshold, instead of documents spread over the scores. */
  readonly nearThreshold: boolean;
  /** How many documents a side of the threshold, or in all. */
  readonly documents: number;
  /** How much of each text its `runs` tell, in UTF-16 units, to the end of an id; default 600. */
  readonly characters?: number;
}

/** What was found. */
export interface InspectedDocuments {
  readonly documents: readonly Inspected[];
  /** On which side of a threshold the filter drops. */
  readonly dropWhen: DropWhen;
  /** Why no score is explained, for a person; null where scores are. */
  readonly unexplained: string | null;
}

/** Finds the documents and decodes them. Deterministic. Reads every index column of the chosen splits, and the tokens of what it shows. */
export async function inspect(request: InspectRequest, tokenizer: Tokenizer): Promise<InspectedDocuments> {
  const { nearThreshold, documents, characters = 600 } = request;
  const { of, shards } = await openRequest(request, tokenizer);
  const explainer = explainerOf(of, tokenizer, request.model);
  const candidates = candidatesOf(of, shards);
  const chosen = nearThreshold ? nearest(reaching(of, candidates), documents) : spread(candidates, documents);
  return {
    documents: readCandidates(of, chosen, tokenizer, explainer, characters),
    dropWhen: of.filter.dropWhen,
    unexplained: explainer.unexplained,
  };
}

/** The build and those of its shards that are asked for. Throws ERR_FILTER, ERR_TOKENIZER, ERR_CALIBRATION, ERR_ARGUMENT. */
export async function openRequest(
  request: InspectRequest,
  tokenizer: Tokenizer,
): Promise<{ readonly of: Inspection; readonly shards: readonly TokenShard[] }> {
  const { dir, filter, nearThreshold, splits = ["train", "dropped"] } = request;
  const of = await openInspection(dir, filter, tokenizer);
  if (nearThreshold && of.thresholds === null)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `${dir} was not filtered by "${filter}", so it has no threshold; leave out --near-threshold`,
    );
  const { domains, shards } = of.manifest;
  if (request.domain !== undefined && !domains.includes(request.domain))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `${dir} has no domain "${request.domain}"; it has ${domains.join(", ") || "none"}`,
    );
  const wanted = shards.filter(
    ({ split, domain }) => splits.includes(split) && (request.domain ?? domain) === domain,
  );
  return { of, shards: wanted };
}

/** Decodes and explains documents, each of their batches opened once; in the order of `chosen`. */
export function readCandidates(
  of: Inspection,
  chosen: readonly Candidate[],
  tokenizer: Tokenizer,
  explainer: Explainer,
  characters: number,
): readonly Inspected[] {
  const documents = new Map<Candidate, Inspected>();
  for (const [shard, candidates] of Map.groupBy(chosen, (candidate) => candidate.shard)) {
    const reader = openShard(join(of.dir, shard.path));
    try {
      for (const [batch, rows] of Map.groupBy(candidates, (candidate) => candidate.batch)) {
        const { offsets, sources, lines } = reader.readIndex(batch);
        for (const candidate of rows) {
          const { row, score, threshold, droppedBy } = candidate;
          const from = offsets[row]!;
          const ids = tokenArray(reader.schema.tokenType, offsets[row + 1]! - from);
          reader.readTokens(batch, from, ids);
          const text = tokenizer.decode(ids);
          const { split, domain } = shard;
          documents.set(candidate, {
            split,
            droppedBy,
            domain,
            source: reader.sources[sources[row]!]!,
            line: lines[row]!,
            tokens: ids.length,
            score,
            threshold,
            text,
            ...explainer.explain(text, ids, characters),
          });
        }
      }
    } finally {
      reader.close();
    }
  }
  return chosen.map((candidate) => documents.get(candidate)!);
}
