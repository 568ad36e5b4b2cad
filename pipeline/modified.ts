/** When two times of change of a file are the same. */

/**
 * Times of change that differ by less are equal, in milliseconds: file systems keep them in steps of up to two seconds, and a copy that keeps
 * the time keeps it in the steps of its own.
 */
const SAME_TIME = 2000;

/** Whether two times of change, in milliseconds, can be those of one file. */
export function sameTime(a: number, b: number): boolean {
  return Math.abs(a - b) < SAME_TIME;
}
