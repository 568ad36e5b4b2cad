/**
 * A loss report that may be acted on: it has every domain of the schedule and no other, in its order, each with a finite loss over at
 * least one token. What comes from a trainer or a file passes here before a policy or the run folder sees it.
 */
import { HeadraceError } from "../core/errors.ts";
import { type LossReport, meanLosses, parseLossReport } from "./losses.ts";

/**
 * Parses a loss report and checks it against the domains of a schedule. `required`: those that must be there, by default all; the others
 * may be left out, but not be wrong. Throws ERR_PARSE, and ERR_LOSS naming the batch and the domain.
 */
export function checkLossReport(
  value: unknown,
  domains: readonly string[],
  {
    required = domains,
    subject = "loss report",
  }: { readonly required?: readonly string[]; readonly subject?: string } = {},
): LossReport {
  const report = parseLossReport(value, subject);
  const where = `${subject} at batch ${report.measuredAt}`;
  const stranger = Object.keys(report.domains).find((name) => !domains.includes(name));
  if (stranger !== undefined)
    throw new HeadraceError(
      "ERR_LOSS",
      `${where} has a loss for "${stranger}", which the schedule does not know; report ${domains.join(", ")}`,
    );
  const present = domains.filter((name) => required.includes(name) || report.domains[name] !== undefined);
  meanLosses(report.domains, present, where);
  return {
    format: report.format,
    measuredAt: report.measuredAt,
    kind: report.kind,
    domains: Object.fromEntries(
      present.map((name) => {
        const { lossSum, tokens } = report.domains[name]!;
        return [name, { lossSum, tokens }];
      }),
    ),
  };
}

/** A report as it is stored: two spaces of indent, a line feed at the end. */
export function formatLossReport(report: LossReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
