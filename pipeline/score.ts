/**
 * `headrace score`: the scores of documents, without building anything.
 */
import { SCORE_UNIT } from "../filters/index.ts";
import { type CurateSetup, openCurator } from "./curator.ts";
import type { Incident, Quarantined } from "./incidents.ts";
import type { InputFile } from "./inputs.ts";
import { readScored } from "./own-scores.ts";
import type { SourceOptions } from "./source.ts";

/** One document's scores by filter name, or a record or stretch of input that has none. */
export type ScoreLine =
  | {
      readonly kind: "scores";
      readonly source: string;
      readonly line: number;
      readonly domain: string;
      readonly scores: Readonly<Record<string, number>>;
      /** By filter, what made its value; where it was asked for. */
      readonly why?: Readonly<Record<string, readonly string[]>>;
    }
  | { readonly kind: "quarantined"; readonly record: Quarantined }
  | { readonly kind: "incident"; readonly incident: Incident };

/** Scores the documents of files in order. Deterministic; one thread, memory of one batch. */
export async function* scoreDocuments(
  files: readonly InputFile[],
  source: SourceOptions,
  setup: CurateSetup,
  { why = false }: { readonly why?: boolean } = {},
): AsyncGenerator<ScoreLine> {
  const curator = await openCurator(setup);
  const { filters, judge, own } = curator;
  for (const file of files)
    for await (const chunk of readScored(file, source, curator)) {
      for (const document of chunk.documents) {
        const { scores } = judge(document);
        yield {
          kind: "scores",
          source: document.source,
          line: document.line,
          domain: document.domain,
          scores: Object.fromEntries(filters.map(({ name }, f) => [name, scores[f]! / SCORE_UNIT])),
          ...(why && own && { why: own.why(document) }),
        };
      }
      for (const record of chunk.quarantined) yield { kind: "quarantined", record };
      for (const incident of chunk.incidents) yield { kind: "incident", incident };
    }
}
