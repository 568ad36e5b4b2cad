/**
 * Tokens, scores and verdict of one document after another: what a task, the calibration and `headrace score` share.
 * Deterministic; holds one document's ids at a time.
 */
import type { Document, TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  type Calibration,
  type CascadeStep,
  cascadeOf,
  type Filter,
  type FilterVerdict,
  isModelFilter,
  judge,
  loadFilter,
  openOwnFilter,
  ownColumn,
  parseOwnSpec,
  type ScoreColumn,
  type ScoreField,
  scoreAll,
  scoreFieldColumn,
} from "../filters/index.ts";
import { type OwnScorer, ownScorer } from "./own-scores.ts";
import { encodeDocumentInto, loadTokenizer, type Tokenizer, tokenBuffer } from "./tokenizer/index.ts";

/** What decides tokens, scores and verdicts; plain data, so that it can go to a worker and into a hash. */
export interface CurateSetup {
  /** `llama-2`, or the path of a `tokenizer.model` or `tokenizer.json`. */
  readonly tokenizer: string;
  /** `headrace`: the exact fast one. `transformers`: the slow exact fallback of @huggingface/transformers. */
  readonly engine: "headrace" | "transformers";
  /** `spell`: text never yields a control id. `parse`: literal `<s>` and the like become control ids, as `tokenizers` does. */
  readonly specialTokens: "spell" | "parse";
  readonly bos: boolean;
  readonly eos: boolean;
  /** `ads`, `fluency`, or paths of model files, in the order of their columns. */
  readonly filters: readonly string[];
  /** Scores that documents bring along: the columns after those of the filters. */
  readonly scoreFields: readonly ScoreField[];
  /** Filters that are brought along (`NAME=KIND:VALUE…`): the columns between those of the filters and the score fields. Default: none. */
  readonly ownFilters?: readonly string[];
  /** Thresholds to judge by; null: score only. */
  readonly calibration: Calibration | null;
  /** Whether a document that the thresholds would drop is kept, with the filter's name as its tag. */
  readonly tagOnly: boolean;
}

/** A document with everything that the build knows of it. `tokens` and `scores` are reused by the next one. */
export interface Judged {
  /** `tokens[0, count)`, with BOS and EOS as asked. */
  readonly tokens: TokenIds;
  readonly count: number;
  /** Integer scores, one a filter. */
  readonly scores: Int32Array;
  readonly verdict: FilterVerdict;
  /** The filter that would have dropped the document, where documents are tagged only. */
  readonly tag: string | null;
}

/** A loaded tokenizer with filters, ready to judge. */
export interface Curator {
  readonly tokenizer: Tokenizer;
  /** The columns of scores. */
  readonly filters: readonly ScoreColumn[];
  /** Names of those whose scores are log odds: trained models. */
  readonly trained: readonly string[];
  /** Scores documents by the filters that were brought along, which `judge` expects of every document; null where there are none. */
  readonly own: OwnScorer | null;
  judge(document: Document): Judged;
}

/** Loads the tokenizer and the filters of a setup. Throws ERR_TOKENIZER, ERR_FILTER and ERR_CALIBRATION. */
export async function openCurator(setup: CurateSetup): Promise<Curator> {
  const tokenizer = await openTokenizer(setup);
  for (const which of ["bos", "eos"] as const)
    if (setup[which] && tokenizer[which] === null)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `tokenizer ${tokenizer.name} has no ${which.toUpperCase()} id; give --no-${which}${which === "bos" && tokenizer.eos !== null && !setup.eos ? ", and --eos so that documents still have an end" : ""}`,
      );
  const loaded = setup.filters.map((name) => loadFilter(name, tokenizer.sha256));
  const brought = await Promise.all(
    (setup.ownFilters ?? []).map((text) => openOwnFilter(parseOwnSpec(text))),
  );
  const filters = [...loaded, ...brought.map(ownColumn), ...setup.scoreFields.map(scoreFieldColumn)];
  const twice = filters.find(({ name }, i) => filters.findIndex((other) => other.name === name) !== i);
  if (twice)
    throw new HeadraceError("ERR_FILTER", `filter "${twice.name}" is named twice; name each filter once`);
  const cascade = setup.calibration === null ? [] : cascadeFor(setup.calibration, tokenizer, filters);
  const buffer = tokenBuffer(tokenizer);
  const scoreDocument = scoreAll(loaded);
  const scores = new Int32Array(filters.length);
  const front = setup.bos ? 1 : 0;
  const around = front + (setup.eos ? 1 : 0);
  return {
    tokenizer,
    filters,
    trained: loaded.filter(isModelFilter).map(({ name }) => name),
    own:
      brought.length === 0
        ? null
        : ownScorer({
            tokenizer: await openTokenizer(setup),
            loaded,
            brought,
            columns: filters.map(({ name }) => name),
          }),
    judge(document) {
      const count = encodeDocumentInto(tokenizer, document, { bos: setup.bos, eos: setup.eos }, buffer, 0);
      const inner = front === 0 ? buffer.ids : buffer.ids.subarray(front);
      scoreDocument(document, inner, count - around, scores);
      if (document.scores) scores.set(document.scores, loaded.length);
      else if (filters.length > loaded.length)
        throw new HeadraceError(
          "ERR_ACCOUNT",
          `${document.source}:${document.line} has no scores of ${filters[loaded.length]!.name}; read it with readScored and the source options that name its score fields`,
        );
      const verdict = judge(scores, document.domain, cascade);
      const judged = { tokens: buffer.ids, count, scores };
      return setup.tagOnly && verdict.kind === "drop"
        ? { ...judged, verdict: { kind: "keep" }, tag: verdict.filter }
        : { ...judged, verdict, tag: null };
    },
  };
}

/** Loads the tokenizer of a setup. Throws ERR_TOKENIZER. */
export async function openTokenizer(
  setup: Pick<CurateSetup, "tokenizer" | "engine" | "specialTokens">,
): Promise<Tokenizer> {
  return loadTokenizer(setup.tokenizer, { engine: setup.engine, specialTokens: setup.specialTokens });
}

/** The cascade of a calibration that was made with this tokenizer and these filters. Throws ERR_CALIBRATION. */
export function cascadeFor(
  calibration: Calibration,
  tokenizer: Pick<Tokenizer, "name" | "sha256">,
  filters: readonly Pick<Filter, "name" | "sha256" | "dropWhen">[],
): readonly CascadeStep[] {
  if (calibration.tokenizer !== tokenizer.sha256)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `the calibration was made with tokenizer ${calibration.tokenizer.slice(0, 12)}, this is ${tokenizer.name} (${tokenizer.sha256.slice(0, 12)}); calibrate again`,
    );
  return cascadeOf(calibration, filters);
}
