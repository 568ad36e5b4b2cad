/**
 * Loss reports (docs/format.md 4): what a trainer measured, as sums and counts a domain.
 * A report that parses has every domain asked for, with a finite loss over at least one token: a policy never sees NaN.
 */
import { HeadraceError } from "../core/errors.ts";
import { anything, integer, object, oneOf, type Parser, record } from "../core/parse.ts";

/** The loss of one domain: the sum over its tokens in nats, and how many there were. */
export interface LossSum {
  readonly lossSum: number;
  readonly tokens: number;
}

/** Losses measured after `measuredAt` batches. Domains in the order of the schedule. */
export interface LossReport {
  readonly format: "headrace-report/1";
  readonly measuredAt: number;
  readonly kind: "validation" | "training";
  readonly domains: Readonly<Record<string, LossSum>>;
}

const envelope = object({
  format: oneOf("headrace-report/1"),
  measuredAt: integer(0),
  kind: oneOf("validation", "training"),
  domains: record(object({ lossSum: anything, tokens: anything })),
});

/**
 * Checks a loss report against the domains of a schedule, and puts its domains in their order.
 * Throws ERR_PARSE when it is no report, ERR_LOSS naming the domain when one is missing, unknown, not finite or has no tokens.
 */
export function parseLossReport(
  value: unknown,
  domains: readonly string[],
  subject = "loss report",
): LossReport {
  const { measuredAt, kind, domains: seen, format } = envelope(value, subject);
  const stranger = Object.keys(seen).find((name) => !domains.includes(name));
  if (stranger !== undefined)
    throw new HeadraceError(
      "ERR_LOSS",
      `${subject} at batch ${measuredAt} has a loss for "${stranger}", which the schedule does not know; report ${domains.join(", ")}`,
    );
  return {
    format,
    measuredAt,
    kind,
    domains: Object.fromEntries(
      domains.map((name) => [name, lossSum(name, seen[name], measuredAt, subject)]),
    ),
  };
}

/** Mean loss a domain, in nats a token. */
export function meanLosses(report: LossReport): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(report.domains).map(([name, { lossSum, tokens }]) => [name, lossSum / tokens]),
  );
}

/** A report as it is stored: two spaces of indent, a line feed at the end. */
export function formatLossReport(report: LossReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

function lossSum(
  name: string,
  seen: { readonly lossSum?: unknown; readonly tokens?: unknown } | undefined,
  measuredAt: number,
  subject: string,
): LossSum {
  const where = `${subject} at batch ${measuredAt}`;
  if (seen === undefined)
    throw new HeadraceError(
      "ERR_LOSS",
      `${where} has no loss for "${name}"; evaluate every domain of the schedule (give it a validation stream)`,
    );
  const { lossSum: sum, tokens } = seen;
  if (typeof tokens !== "number" || !Number.isSafeInteger(tokens) || tokens < 1)
    throw new HeadraceError(
      "ERR_LOSS",
      `${where} counts ${JSON.stringify(tokens) ?? "no"} tokens of "${name}"; a loss needs a whole number of tokens, at least 1`,
    );
  if (typeof sum !== "number" || !Number.isFinite(sum))
    throw new HeadraceError(
      "ERR_LOSS",
      `${where} has loss ${String(sum)} for "${name}"; a loss is finite: lower the learning rate or resume from an earlier checkpoint`,
    );
  return { lossSum: sum, tokens };
}

/** A parser for places that do not know the domains yet (a file on its own): every domain it has must be whole. */
export const anyLossReport: Parser<LossReport> = (value, at) =>
  parseLossReport(value, Object.keys(envelope(value, at).domains), at);
