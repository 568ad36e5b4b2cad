/**
 * The scores that a record brings along: what its score fields hold, as integer scores, or why it has none.
 */
import { type FieldValue, type NoScore, type ScoreField, scoreOfField } from "../filters/index.ts";
import { type Cell, type FieldPath, fieldPath } from "./cells.ts";

/** Reads the scores of a record; `held` gives what it holds at a path. Undefined where no score field was asked for. */
export type FieldScores = (
  held: (path: FieldPath, field: number) => FieldValue,
) => Int32Array | NoScore | undefined;

/** The paths of the score fields and their reader. */
export function fieldScores(fields: readonly ScoreField[] = []): {
  readonly paths: readonly FieldPath[];
  readonly read: FieldScores;
} {
  const paths = fields.map(({ path }) => fieldPath(path));
  if (fields.length === 0) return { paths, read: () => undefined };
  return {
    paths,
    read(held) {
      const scores = new Int32Array(fields.length);
      for (const [f, field] of fields.entries()) {
        const score = scoreOfField(field, held(paths[f]!, f));
        if (typeof score !== "number") return score;
        scores[f] = score;
      }
      return scores;
    },
  };
}

/** What a cell of a table holds. */
export function cellValue(cell: Cell): FieldValue {
  if (cell instanceof Uint8Array) return { holds: "a string" };
  return typeof cell === "object" && cell !== null && "bytes" in cell ? { holds: "a string" } : cell;
}
