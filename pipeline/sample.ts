/**
 * The documents that a calibration is made on: all of a small corpus, else the first records of files spread evenly over the sorted
 * list, so that every folder and every part of the corpus is met. Deterministic: a function of the files and the size asked for.
 */

import type { Document } from "../core/document.ts";
import type { DomainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { hashOf } from "../core/hash.ts";
import type { CalibrationSample } from "../filters/index.ts";
import type { Curator } from "./curator.ts";
import type { InputFile } from "./inputs.ts";
import { readScored } from "./own-scores.ts";
import type { SourceOptions } from "./source.ts";

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

/** A file that a sample may take documents of. */
export type SampleFile = Pick<InputFile, "source" | "bytes">;

/** What a sample takes of a document. */
export interface SampledDocument {
  readonly domain: DomainName;
  readonly tokens: number;
  /** Integer scores, one a filter; copied when the document is taken. */
  readonly scores: Int32Array;
}

/** Scores the sampled documents. Throws ERR_CALIBRATION where there is none. */
export async function sampleScores(request: SampleRequest): Promise<CalibrationSample> {
  const { files, curator, source } = request;
  async function* read(file: InputFile): AsyncGenerator<Iterable<SampledDocument>> {
    for await (const { documents } of readScored(file, source, curator)) yield judgeEach(documents);
  }
  function* judgeEach(documents: readonly Document[]): Generator<SampledDocument> {
    for (const document of documents) {
      const { count, scores } = curator.judge(document);
      yield { domain: document.domain, tokens: count, scores };
    }
  }
  return collectSample({ ...request, files, filters: curator.filters.map(({ name }) => name), read });
}

/**
 * Takes documents file by file, as many of each as its share of those that are still wanted; Infinity: all of all files.
 * `read` gives the documents of a file in order and is asked for files in order. Throws ERR_CALIBRATION where there is none.
 */
export async function collectSample<File extends SampleFile>(request: {
  readonly files: readonly File[];
  readonly filters: readonly string[];
  readonly documents: number;
  readonly read: (file: File) => AsyncIterable<Iterable<SampledDocument>>;
  readonly onProgress?: (documents: number, ofDocuments: number) => void;
}): Promise<CalibrationSample> {
  const { files, filters } = request;
  const chosen = Number.isFinite(request.documents) ? spread(files, SAMPLE_FILES) : files;
  const domains: DomainName[] = [];
  const domain: number[] = [];
  const tokens: number[] = [];
  const scores = filters.map((): number[] => []);
  let cut = chosen.length < files.length;
  for (const [i, file] of chosen.entries()) {
    const quota = Math.ceil((request.documents - tokens.length) / (chosen.length - i));
    const until = tokens.length + quota;
    reading: for await (const documents of request.read(file)) {
      for (const document of documents) {
        if (tokens.length >= until) {
          cut = true;
          break reading;
        }
        let index = domains.indexOf(document.domain);
        if (index < 0) index = domains.push(document.domain) - 1;
        domain.push(index);
        tokens.push(document.tokens);
        for (const [f, column] of scores.entries()) column.push(document.scores[f]!);
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
    scores: Object.fromEntries(filters.map((name, f) => [name, Int32Array.from(scores[f]!)])),
    // A sample that is everything is the same sample however much was asked for.
    fingerprint: hashOf({
      documents: cut ? request.documents : "all",
      files: chosen.map(({ source, bytes }) => ({ source, bytes })),
    }),
    whole: !cut,
  };
}

/** At most `most` of the files, evenly spread, the first and the last among them. */
function spread<File>(files: readonly File[], most: number): readonly File[] {
  if (files.length <= most) return files;
  return Array.from({ length: most }, (_, i) => files[Math.round((i * (files.length - 1)) / (most - 1))]!);
}
