/**
 * The documents that a calibration is made on: all of a small corpus, else the first records of files spread evenly over the sorted
 * list, so that every folder and every part of the corpus is met. Deterministic: a function of the files and the size asked for.
 */

import { type DomainName, domainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { hashOf } from "../core/hash.ts";
import type { CalibrationSample } from "../filters/index.ts";
import type { Curator } from "./curator.ts";
import type { InputFile } from "./inputs.ts";
import { readSource, type SourceOptions } from "./source.ts";

/** No more files than this are opened for a sample. */
const SAMPLE_FILES = 512;

/** What to sample. */
export interface SampleRequest {
  readonly files: readonly InputFile[];
  readonly source: SourceOptions;
  readonly curator: Curator;
  /** About how many documents. */
  readonly documents: number;
  readonly onProgress?: (documents: number, ofDocuments: number) => void;
}

/** Scores the sampled documents. Throws ERR_CALIBRATION where there is none. */
export async function sampleScores(request: SampleRequest): Promise<CalibrationSample> {
  const { files, curator } = request;
  const chosen = spread(files, SAMPLE_FILES);
  const domains: DomainName[] = [];
  const domain: number[] = [];
  const tokens: number[] = [];
  const scores = curator.filters.map((): number[] => []);
  let cut = chosen.length < files.length;
  for (const [i, file] of chosen.entries()) {
    const quota = Math.ceil((request.documents - tokens.length) / (chosen.length - i));
    const until = tokens.length + quota;
    reading: for await (const chunk of readSource(file, request.source)) {
      for (const document of chunk.documents) {
        if (tokens.length >= until) {
          cut = true;
          break reading;
        }
        const judged = curator.judge(document);
        let index = domains.indexOf(document.domain);
        if (index < 0) index = domains.push(domainName(document.domain)) - 1;
        domain.push(index);
        tokens.push(judged.count);
        for (const [f, column] of scores.entries()) column.push(judged.scores[f]!);
      }
      request.onProgress?.(tokens.length, request.documents);
    }
  }
  if (tokens.length === 0)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `no document could be read from the ${files.length} input files; see "headrace build" without --drop for what is wrong`,
    );
  return {
    domains,
    domain: Uint16Array.from(domain),
    tokens: Uint32Array.from(tokens),
    scores: Object.fromEntries(curator.filters.map(({ name }, f) => [name, Int32Array.from(scores[f]!)])),
    fingerprint: hashOf({
      documents: request.documents,
      files: chosen.map(({ source, bytes }) => ({ source, bytes })),
    }),
    whole: !cut,
  };
}

/** At most `most` of the files, evenly spread, the first and the last among them. */
function spread(files: readonly InputFile[], most: number): readonly InputFile[] {
  if (files.length <= most) return files;
  return Array.from({ length: most }, (_, i) => files[Math.round((i * (files.length - 1)) / (most - 1))]!);
}
