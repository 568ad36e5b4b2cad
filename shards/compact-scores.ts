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
  /** Rows [from, to) of it; default all. */
  readonly rows?: readonly [from: number, to: number];
  /** What becomes of a row, `kept`, `kept:<filter>` or `dropped:<filter>`, where it is not what the segment says. */
  readonly verdictOf?: (reader: ScoreReader, batch: ScoreBatch, row: number) => string;
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
    const { rows: [from, to] = [0, Number.POSITIVE_INFINITY] } = segment;
    let first = 0;
    const reader = openScores(segment.path);
    try {
      if (reader.filters.join() !== filters.join())
        throw new HeadraceError(
          "ERR_SHARD",
          `segment ${segment.path} has scores [${reader.filters}], not [${filters}]; build its task again`,
        );
      for (const i of reader.batches.keys()) {
        const batch = reader.readBatch(i);
        const verdictOf = verdictsOf(reader, batch, segment, plans);
        for (let row = Math.max(0, from - first); row < Math.min(batch.documents, to - first); row++) {
          file.append(reader, batch, row, verdictOf(row));
          if (file.rows === fileRows) await finish();
        }
        first += batch.documents;
      }
    } finally {
      reader.close();
    }
  }
  if (file.rows > 0) await finish();
  return tables;
}

/** The final verdict of a row: `kept` becomes `held-out` where the row is. */
function verdictsOf(
  reader: ScoreReader,
  batch: ScoreBatch,
  segment: ScoreSegment,
  plans: Readonly<Record<string, ValidationPlan>>,
): (row: number) => string {
  const { hashes } = batch;
  if (!hashes)
    throw new HeadraceError("ERR_SHARD", `segment ${segment.path} has no hashes; build its task again`);
  const limits = reader.domains.map((domain) => {
    const plan = plans[domain];
    return plan?.kind === "hashes" ? plan.upTo : -1n;
  });
  return (row) => {
    const verdict = segment.verdictOf?.(reader, batch, row) ?? reader.verdicts[batch.verdicts[row]!]!;
    if (verdict !== "kept" && !verdict.startsWith("kept:")) return verdict;
    const isHeldOut = segment.heldOut || hashes[row]! <= limits[batch.domains[row]!]!;
    return isHeldOut ? `held-out${verdict.slice("kept".length)}` : verdict;
  };
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
    append(from: ScoreReader, batch: ScoreBatch, row: number, verdict: string): void {
      const at = rows % SCORE_BATCH;
      if (at === 0) batches.push(scoreBatch(SCORE_BATCH, { filters, hashes: true }));
      const to = batches.at(-1)!;
      to.sources[at] = sources.indexOf(from.sources[batch.sources[row]!]!);
      to.lines[at] = batch.lines[row]!;
      to.domains[at] = domains.indexOf(from.domains[batch.domains[row]!]!);
      to.tokens[at] = batch.tokens[row]!;
      for (const [f, column] of to.scores.entries()) column[at] = batch.scores[f]![row]!;
      to.verdicts[at] = verdicts.indexOf(verdict);
      to.hashes![at] = batch.hashes![row]!;
      rows++;
    },
    async write(dir: string, number: number): Promise<ScoreTable> {
      const { openArrowWriter } = await import("./arrow-writer.ts");
      const path = `scores/${String(number).padStart(5, "0")}.arrow`;
      const file = await openArrowWriter(
        join(dir, path),
        scoreColumns({ filters, hashes: true }),
        SCORE_METADATA,
      );
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
