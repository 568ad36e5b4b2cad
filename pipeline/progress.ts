/**
 * How far a build is: what its workers report, added up.
 */
import { type Account, type TokenType, tokenBytes } from "../shards/index.ts";
import { type BuildOptions, type BuildProgress, NO_PROGRESS } from "./options.ts";
import type { TaskProgress } from "./task.ts";
import type { TaskManifest } from "./task-manifest.ts";

/** Adds up the steps of a phase and passes the sums on; a step that is `reused` was done by an earlier run. */
export function progressOf(
  phase: BuildProgress["phase"],
  total: number,
  onProgress: BuildOptions["onProgress"],
): (step: TaskProgress, reused?: boolean) => void {
  let sum = NO_PROGRESS;
  return (step, reused = false) => {
    sum = {
      bytes: sum.bytes + step.bytes,
      documents: sum.documents + step.documents,
      tokens: sum.tokens + step.tokens,
      dropped: sum.dropped + step.dropped,
      quarantined: sum.quarantined + step.quarantined,
      reused: reused
        ? { bytes: sum.reused.bytes + step.bytes, tokens: sum.reused.tokens + step.tokens }
        : sum.reused,
    };
    onProgress?.({ ...sum, phase, total });
  };
}

/**
 * Adds steps up and passes their sum on at most every `milliseconds`, when a step comes; `rest` passes on what is left. A message wakes another
 * thread, which costs more than what there is to say after half a megabyte.
 */
export function gathered(pass: (step: TaskProgress) => void, milliseconds: number) {
  let sum: TaskProgress | null = null;
  let passed = performance.now();
  const rest = (): void => {
    if (sum !== null) pass(sum);
    sum = null;
    passed = performance.now();
  };
  return {
    add(step: TaskProgress): void {
      sum = {
        bytes: (sum?.bytes ?? 0) + step.bytes,
        documents: (sum?.documents ?? 0) + step.documents,
        tokens: (sum?.tokens ?? 0) + step.tokens,
        dropped: (sum?.dropped ?? 0) + step.dropped,
        quarantined: (sum?.quarantined ?? 0) + step.quarantined,
      };
      if (performance.now() - passed >= milliseconds) rest();
    },
    rest,
  };
}

/** A finished task as one step. */
export function taskTotals(account: Account): TaskProgress {
  const tokens = Object.values(account.domains).reduce(
    (sum, d) => sum + d.tokens.kept + Object.values(d.tokens.dropped).reduce((a, b) => a + b, 0),
    0,
  );
  const dropped = Object.values(account.dropped).reduce((sum, n) => sum + n, 0);
  return {
    bytes: account.bytes.total,
    documents: account.read,
    tokens,
    dropped,
    quarantined: account.quarantined,
  };
}

/** Bytes of the token values that are compacted: of what was kept, and of what was dropped where that was written. */
export function compactBytes(tasks: readonly Pick<TaskManifest, "sections">[], tokenType: TokenType): number {
  const files = tasks
    .flatMap(({ sections }) => sections)
    .flatMap(({ kept, dropped }) => [...Object.values(kept), ...Object.values(dropped)]);
  return files.reduce((sum, { tokens }) => sum + tokens, 0) * tokenBytes(tokenType);
}
