/** What every measurement here needs: a median, and a verdict that can be a loss. */

/** The middle of `numbers`; of an even count, the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

/** One line: what was asked, what was measured by wall and by CPU time, and whether the latter reaches the goal. */
export function verdict(what: string, goal: number, byWall: number, byCpu: number): string {
  const met = byCpu >= goal ? "met" : "MISSED";
  return `${met}: ${what}: goal ${goal} x, measured ${byCpu.toFixed(2)} x by CPU time, ${byWall.toFixed(2)} x by wall`;
}
