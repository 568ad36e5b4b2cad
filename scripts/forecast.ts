/**
 * What `headrace build --dry-run` prints for a person: the domain table, the totals with their intervals, and what they rest on.
 */
import type { Estimate, Forecast } from "../pipeline/index.ts";
import {
  compact,
  duration,
  fittedTable,
  grouped,
  percent,
  say,
  screenWidth,
  size,
  table,
} from "./display.ts";

/** Prints a forecast. */
export function printForecast(forecast: Forecast): void {
  const { basis, sample, domains, mixture, disk, tokens } = forecast;
  const filters = Object.keys(forecast.dropped);
  const head = [
    "domain",
    "read",
    "left",
    ...filters.map((filter) => `-${filter}`),
    "bad",
    "tokens left",
    "\u00b1",
    "before",
    "after",
  ];
  const rowOf = (name: string, of: Forecast["domains"][string], shares: readonly string[]) => [
    name,
    shown(of.read),
    shown(of.left),
    ...filters.map((filter) => shown(of.dropped[filter]!)),
    shown(of.quarantined),
    shown(of.tokens.left),
    spread(of.tokens.left),
    ...shares,
  ];
  const rows = Object.entries(domains).map(([name, domain]) =>
    rowOf(name, domain, [percent(mixture.before[name] ?? 0), percent(mixture.after[name] ?? 0)]),
  );
  say(
    fittedTable(
      [head, ...rows, rowOf("all", forecast, ["", ""])],
      head.indexOf("tokens left"),
      screenWidth(),
    ),
  );
  say();
  const bytes = (estimate: Estimate) => [size(estimate.value), between(estimate, size)];
  const counts = (estimate: Estimate) => [shown(estimate), between(estimate, compact)];
  say(
    table([
      ["expected", "", basis === "sample" ? "95 % interval" : "counted"],
      ["documents", ...counts(forecast.read)],
      ["left", ...counts(forecast.left)],
      ["tokens left", ...counts(tokens.left)],
      ["disk", ...bytes(disk.total)],
      ["at the peak", ...bytes(disk.peak)],
      ["time from", duration(forecast.secondsAtLeast), `with ${forecast.workers} workers`],
    ]),
  );
  say();
  say(
    basis === "score table"
      ? `counted in the score table: ${grouped(sample.documents)} documents`
      : `${basis === "sample" ? "from" : "counted in"} ${grouped(sample.documents)} documents: ${size(sample.bytes)} of ${size(sample.ofBytes)}, ${grouped(sample.files)} of ${grouped(sample.ofFiles)} files, read in ${duration(sample.seconds)}`,
  );
  if (basis === "sample") say(`interval: ${forecast.interval}`);
  if (forecast.heldOutTokensAtMost !== null)
    say(`of the tokens left at most ${compact(forecast.heldOutTokensAtMost)} are held out for validation`);
  for (const assumption of forecast.assumptions) say(`assumed: ${assumption}`);
  for (const notice of forecast.notices) say(`note: ${notice}`);
  say(`nothing was written; the same command without --dry-run builds ${forecast.out}`);
}

/** A count as it is where it is exact, else to three digits. */
function shown({ value, from, to }: Estimate): string {
  return from === value && to === value ? grouped(value) : compact(value);
}

/** Half the interval as a share of the value. */
function spread({ value, from, to }: Estimate): string {
  if (from === null || to === null) return "?";
  return value === 0 || from === to ? "" : percent((to - from) / 2 / value);
}

function between({ value, from, to }: Estimate, write: (value: number) => string): string {
  if (from === null || to === null) return "unknown";
  return from === value && to === value ? "" : `${write(from)} to ${write(to)}`;
}
