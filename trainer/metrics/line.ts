/**
 * One line of live numbers, whatever it is written as.
 */
import type { LiveNumbers } from "../../samplers/index.ts";

/** One line of metrics.jsonl. */
export interface MetricsLine extends LiveNumbers {
  /** Seconds since 1970. */
  readonly time: number;
  /** Mean of the last batch that said so, nats a token. */
  readonly loss: number | null;
  /** Since the line before of this process; null in its first. */
  readonly tokensPerSecond: number | null;
}

/** The scalars of a line by TensorBoard tag: `loss`, `weight/c4`, ...; what is unknown is left out. */
export function scalarsOf(line: MetricsLine): Record<string, number> {
  const out: Record<string, number> = {};
  const put = (tag: string, value: number | null) => {
    if (value !== null) out[tag] = value;
  };
  for (const field of ["tokens", "stage", "loss", "tokensPerSecond"] as const) put(field, line[field]);
  for (const [domain, numbers] of Object.entries(line.domains))
    for (const [field, value] of Object.entries(numbers)) put(`${field}/${domain}`, value);
  return out;
}
