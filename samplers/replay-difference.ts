/**
 * What a replay may find.
 */

/** One thing that is not as the record says. */
export interface ReplayDifference {
  readonly what: "schedule" | "stage" | "report" | "weights" | "served" | "manifest" | "shard" | "pack";
  /** File, and stage, batch or line in it. */
  readonly where: string;
  readonly expected: string;
  readonly seen: string;
}
