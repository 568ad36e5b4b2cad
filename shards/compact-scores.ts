/**
 * Turns the score segments of the tasks into the final table `DIR/scores/NNNNN.arrow`, and `kept` into `held-out` where the validation
 * plan took the document. The bytes depend on the sequence of rows and the plans, never on how tasks were cut. Memory is one file.
 */
import { join } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import type { ScoreTable } from "./manifest.ts";
import {
  indexer,
  openScores,
  SCORE_BATCH,
  SCORE_METADATA,
  type ScoreBatch,
  type ScoreReader,
  scoreBatch,
  scoreBuffers,
  scoreColumns,
} from "./scores.ts";
import type { ValidationPlan } from "./validation.ts";

/** A score segment of a task. */
export interface ScoreSegment {
  readonly path: string;
  /** Whether all that the task kept is validation (`--validation DIR`); else the plans decide. */
  readonly heldOut?: boolean;
}

/** Rows of a file at most. */
const FILE_ROWS = 1_048_576;

/**
 * Writes the final score table. `segments` come in task order; `plans` are the validation plans by domain, and a domain without
 * one holds nothing out. Throws ERR_SHARD on a broken segment, ERR_OUTPUT.
 */
export async function compactScores(options: {
  /** The folder of shards. */
  readonly dir: string;
  readonly segments: readonly ScoreSegment[];
  readonly filters: readonly string[];
  readonly plans: Readonly<Record<string, ValidationPlan>>;
  /** Rows of a file at most; default 1,048,576. Part of the bytes. */
  readonly fileRows?: number;
}): Promise<readonly ScoreTable[]> {
  const { dir, segments, filters, plans, fileRows = FILE_ROWS } = options;
  const tables: ScoreTable[] = [];
  let file = tableFile(filters);
  const finish = async () => {
    tables.push(await file.write(dir, tables.length));
    file = tableFile(filters);
  };
  for (const segment of segments) {
    const reader = openScores(segment.path);
    try {
      if (reader.filters.join() !== filters.join())
        throw new HeadraceError(
          "ERR_SHARD",
          `segment ${segment.path} has scores [${reader.filters}], not [${filters}]; build its task again`,
        );
      for (const i of reader.batches.keys()) {
        const batch = reader.readBatch(i);
        const heldOut = heldOutIn(reader, batch, segment, plans);
        for (let row = 0; row < batch.documents; row++) {
          file.append(reader, batch, row, heldOut);
          if (file.rows === fileRows) await finish();
        }
      }
    } finally {
      reader.close();
    }
  }
  if (file.rows > 0) await finish();
  return tables;
}

/** Whether a row that was kept is held out. */
function heldOutIn(
  reader: ScoreReader,
  batch: ScoreBatch,
  segment: ScoreSegment,
  plans: Readonly<Record<string, ValidationPlan>>,
): (row: number) => boolean {
  if (segment.heldOut) return () => true;
  const limits = reader.domains.map((domain) => {
    const plan = plans[domain];
    return plan?.kind === "hashes" ? plan.upTo : -1n;
  });
  if (!batch.hashes && limits.some((limit) => limit >= 0n))
    throw new HeadraceError(
      "ERR_SHARD",
      `segment ${segment.path} has no hashes, and the validation split goes by them; build its task again`,
    );
  return (row) => batch.hashes !== undefined && batch.hashes[row]! <= limits[batch.domains[row]!]!;
}

/** One file of the table in memory. */
function tableFile(filters: readonly string[]) {
  const batches: ScoreBatch[] = [];
  const dictionaries = [indexer(), indexer(), indexer()] as const;
  const [sources, domains, verdicts] = dictionaries;
  let rows = 0;

  return {
    get rows() {
      return rows;
    },
    append(from: ScoreReader, batch: ScoreBatch, row: number, heldOut: (row: number) => boolean): void {
      const at = rows % SCORE_BATCH;
      if (at === 0) batches.push(scoreBatch(SCORE_BATCH, { filters }));
      const to = batches.at(-1)!;
      const verdict = from.verdicts[batch.verdicts[row]!]!;
      to.sources[at] = sources.indexOf(from.sources[batch.sources[row]!]!);
      to.lines[at] = batch.lines[row]!;
      to.domains[at] = domains.indexOf(from.domains[batch.domains[row]!]!);
      to.tokens[at] = batch.tokens[row]!;
      for (const [f, column] of to.scores.entries()) column[at] = batch.scores[f]![row]!;
      to.verdicts[at] = verdicts.indexOf(verdict === "kept" && heldOut(row) ? "held-out" : verdict);
      rows++;
    },
    async write(dir: string, number: number): Promise<ScoreTable> {
      const { openArrowWriter } = await import("./arrow-writer.ts");
      const path = `scores/${String(number).padStart(5, "0")}.arrow`;
      const file = await openArrowWriter(join(dir, path), scoreColumns({ filters }), SCORE_METADATA);
      try {
        for (const [id, { values }] of dictionaries.entries()) await file.writeDictionary(id, values);
        for (const [i, batch] of batches.entries()) {
          const count = Math.min(SCORE_BATCH, rows - i * SCORE_BATCH);
          await file.writeBatch(count, scoreBuffers(batch, count));
        }
        return { path, documents: rows, ...(await file.close()) };
      } catch (error) {
        await file.abort();
        throw error;
      }
    },
  };
}
