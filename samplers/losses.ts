/**
 * What a trainer measured, by domain: sums of nats and counts of tokens, so that reports of ranks and batches can be added.
 */
import { readFile } from "node:fs/promises";
import type { DomainLosses } from "../core/domain.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { array, integer, object, oneOf, type Parser, parseJson, record } from "../core/parse.ts";

/** The losses of one domain: nats summed over its tokens, and how many tokens those are. */
export interface LossSum {
  readonly lossSum: number;
  readonly tokens: number;
}

/** `headrace-report/1` (docs/format.md 4): measured after `measuredAt` batches. */
export interface LossReport {
  readonly format: "headrace-report/1";
  /** Batches trained on before it was measured. */
  readonly measuredAt: number;
  readonly kind: "validation" | "training";
  readonly domains: Readonly<Record<string, LossSum>>;
}

/** A loss sum; NaN may arrive as null and passes here, so that `meanLosses` can name the domain. */
const parseLossSum: Parser<LossSum> = object({
  lossSum: (value) => (typeof value === "number" ? value : Number.NaN),
  tokens: integer(0),
});

/** Parses a loss report. Throws ERR_PARSE; losses are judged by `meanLosses`. */
export const parseLossReport: Parser<LossReport> = object({
  format: oneOf("headrace-report/1"),
  measuredAt: integer(0),
  kind: oneOf("validation", "training"),
  domains: record(parseLossSum),
});

/**
 * Mean nats a token of each of `domains`; other domains of the report are ignored.
 * Throws ERR_LOSS when a domain is missing, counts no tokens or has a loss that is not a finite number >= 0.
 */
export function meanLosses(
  sums: Readonly<Record<string, LossSum>>,
  domains: readonly string[],
  subject = "the loss report",
): DomainLosses {
  return Object.fromEntries(
    domains.map((name) => {
      const sum = sums[name];
      if (sum === undefined)
        throw new HeadraceError(
          "ERR_LOSS",
          `${subject} has no loss for domain "${name}"; it has ${Object.keys(sums).join(", ") || "none"}; evaluate every domain`,
        );
      if (sum.tokens === 0)
        throw new HeadraceError(
          "ERR_LOSS",
          `${subject} counts 0 tokens for domain "${name}", so it has no mean loss; evaluate at least one row of it`,
        );
      if (!Number.isFinite(sum.lossSum) || sum.lossSum < 0)
        throw new HeadraceError(
          "ERR_LOSS",
          `${subject} has loss ${sum.lossSum} for domain "${name}"; a loss is finite and >= 0: the model has diverged or the report is broken`,
        );
      return [name, sum.lossSum / sum.tokens];
    }),
  );
}

/** Reads a loss log: a JSON file with a list of loss reports. Throws ERR_INPUT and ERR_PARSE. */
export async function readLossLog(path: string): Promise<readonly LossReport[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `loss log ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseJson(text, array(parseLossReport), path);
}
