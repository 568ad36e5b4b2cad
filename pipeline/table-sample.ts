/**
 * The sample of a calibration taken from the score table of finished shards instead of from the input: the same documents that reading
 * the input would have sampled, or all of them.
 */
import { join } from "node:path";
import { domainName } from "../core/domain.ts";
import { type CalibrationSample, SCORE_UNIT, type ScoreColumn } from "../filters/index.ts";
import {
  type Origin,
  openScores,
  type ScoreBatch,
  type ScoreReader,
  type ShardManifest,
} from "../shards/index.ts";
import { collectSample, type SampledDocument, type SampleFile } from "./sample.ts";

/** Rows of a batch of the score table; the first has number `first` in the table. */
export interface TableBatch {
  readonly reader: ScoreReader;
  readonly batch: ScoreBatch;
  readonly first: number;
}

/** The batches of the whole score table in order, one at a time in memory. */
export function* tableBatches(dir: string, { tables }: Pick<ShardManifest, "tables">): Generator<TableBatch> {
  let first = 0;
  for (const { path } of tables) {
    const reader = openScores(join(dir, path));
    try {
      for (const i of reader.batches.keys()) {
        const batch = reader.readBatch(i);
        yield { reader, batch, first };
        first += batch.documents;
      }
    } finally {
      reader.close();
    }
  }
}

/** Fills `into` with the integer scores of a row. */
export function scoresOfRow(batch: ScoreBatch, row: number, into: Int32Array): Int32Array {
  for (let f = 0; f < into.length; f++) into[f] = batch.scores[f]![row]! * SCORE_UNIT;
  return into;
}

/** More documents than this are sampled, unless told otherwise: a calibration holds them in memory. */
const CALIBRATE_ALL_BELOW = 10_000_000;

/** A finished build whose table is sampled. */
interface SampledBuild {
  readonly from: string;
  readonly manifest: ShardManifest;
  readonly origin: Origin;
}

/** The sample on which a build from finished shards chooses its thresholds: about `documents`, by default all up to 10 million. */
export async function sampleForDrop(
  { from, manifest, origin }: SampledBuild,
  documents?: number,
  onProgress?: (documents: number, ofDocuments: number) => void,
): Promise<CalibrationSample> {
  const all = origin.documents.train <= CALIBRATE_ALL_BELOW ? Number.POSITIVE_INFINITY : CALIBRATE_ALL_BELOW;
  const asked = { dir: from, manifest, origin, documents: documents ?? all };
  return sampleTable({ ...asked, ...(onProgress && { onProgress }) });
}

/** The filters of a finished build with the scores beyond which they flag a document. */
export function flaggingColumns({
  manifest,
  flagAt,
}: {
  readonly manifest: Pick<ShardManifest, "filters">;
  readonly flagAt: ReadonlyMap<string, number | null>;
}): readonly ScoreColumn[] {
  return manifest.filters.map((filter) =>
    flagAt.has(filter.name) ? { ...filter, flagAt: flagAt.get(filter.name)! } : filter,
  );
}

/** Samples about `documents` of the training documents; Infinity: all. Deterministic. Throws ERR_CALIBRATION where there is none. */
export async function sampleTable(request: {
  readonly dir: string;
  readonly manifest: ShardManifest;
  readonly origin: Origin;
  readonly documents: number;
  readonly onProgress?: (documents: number, ofDocuments: number) => void;
}): Promise<CalibrationSample> {
  const { dir, manifest, origin, documents, onProgress } = request;
  const filters = manifest.filters.map(({ name }) => name);
  const files = origin.inputs.filter(({ role }) => role === "train");
  const rows = trainRows(dir, manifest, origin, files);
  let current = rows.next();

  async function* read(file: SampleFile): AsyncGenerator<Iterable<SampledDocument>> {
    const wanted = files.indexOf(file as (typeof files)[number]);
    const own = function* (): Generator<SampledDocument> {
      while (!current.done && current.value.file <= wanted) {
        const row = current.value;
        // What a consumer leaves unread is passed over here on behalf of the next file.
        if (row.file === wanted) yield row;
        current = rows.next();
      }
    };
    yield own();
  }
  try {
    return await collectSample({ files, filters, documents, read, ...(onProgress && { onProgress }) });
  } finally {
    rows.return(undefined);
  }
}

/** The training rows in order with the number of their file. The yielded object is reused. */
function* trainRows(
  dir: string,
  manifest: ShardManifest,
  origin: Origin,
  files: Origin["inputs"],
): Generator<SampledDocument & { readonly file: number }> {
  const numbers = new Map(files.map(({ source }, i) => [source, i]));
  const scores = new Int32Array(manifest.filters.length);
  for (const { reader, batch, first } of tableBatches(dir, manifest)) {
    const places = reader.sources.map((source) => numbers.get(source) ?? -1);
    const domains = reader.domains.map(domainName);
    for (let row = 0; row < batch.documents; row++) {
      if (first + row === origin.documents.train) return;
      yield {
        file: places[batch.sources[row]!]!,
        domain: domains[batch.domains[row]!]!,
        tokens: batch.tokens[row]!,
        scores: scoresOfRow(batch, row, scores),
      };
    }
  }
}
