/**
 * A simulated run as a picture: above, the weights by domain over the tokens of the run as stacked areas; below, the epochs that each domain has
 * given, with a mark where it runs dry. SVG without script, font or colour from elsewhere; deterministic.
 */
import { PARTS } from "./mixture.ts";
import { openPlan } from "./plan.ts";
import { epochRows } from "./schedule-domain.ts";
import type { SimulationReport } from "./simulate.ts";
import { stagesInForce } from "./stage.ts";

const WIDTH = 860;
const LEFT = 56;
const RIGHT = 190;
/** Top and bottom of the two panels. */
const WEIGHTS = { top: 48, bottom: 248 } as const;
const EPOCHS = { top: 296, bottom: 496 } as const;
const HEIGHT = 548;
/** Places along the run at which epochs are drawn. */
const POINTS = 200;
/** Colours that people with any colour vision tell apart: Okabe and Ito, Color Universal Design (2008); more domains begin again, paler. */
const COLORS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a900", "#666666"];

/** The picture of a simulation as the text of a file. Pure; O(domains x (stages + POINTS)). */
export function simulationChart(report: SimulationReport): string {
  const { schedule, batches, tokens, domains } = report;
  const across = (at: number) => LEFT + (at / Math.max(1, tokens)) * (WIDTH - LEFT - RIGHT);
  const most = niceEnd(Math.max(1, ...domains.map(({ epochs }) => epochs)));
  const unit = tokens >= 1e9 ? ({ name: "billion tokens", size: 1e9 } as const) : { name: "tokens", size: 1 };
  const step = niceEnd(tokens / unit.size / 6);
  const marks = Array.from({ length: Math.floor(tokens / unit.size / step + 1e-9) + 1 }, (_, i) => i * step);
  const panel = ({ top, bottom }: typeof WEIGHTS | typeof EPOCHS, title: string, end: number) => [
    text(LEFT, top - 10, "start", title, ' font-weight="bold"'),
    ...[0, 0.25, 0.5, 0.75, 1].map((part) => {
      const down = bottom - part * (bottom - top);
      return `<path d="M${LEFT} ${at(down)}H${WIDTH - RIGHT}" stroke="#ddd"/>${text(LEFT - 8, down + 4, "end", String(Number((part * end).toPrecision(3))))}`;
    }),
    ...marks.map((mark) =>
      text(across(mark * unit.size), bottom + 18, "middle", String(Number(mark.toPrecision(3)))),
    ),
  ];
  const run = `policy ${schedule.header.policy.name}, ${Number((tokens / unit.size).toPrecision(4))} ${unit.name}`;
  const lines = [
    ...areas(report, across),
    ...panel(WEIGHTS, "weight", 1),
    ...panel(EPOCHS, "epochs given; a mark where a domain runs dry", most),
    ...epochLines(report, across, most),
    ...domains.map(({ name, share, epochs, dry }, i) => {
      const down = WEIGHTS.top + 14 + 36 * i;
      const said = dry === null ? "" : `, dry at ${Number((dry.tokens / unit.size).toPrecision(3))}`;
      return `<rect x="${WIDTH - RIGHT + 16}" y="${down - 10}" width="12" height="12" fill="${colorOf(i)}"/>${text(WIDTH - RIGHT + 36, down, "start", escaped(name))}${text(WIDTH - RIGHT + 36, down + 14, "start", `${(100 * share).toFixed(1)} %, ${epochs.toFixed(2)} epochs${said}`, ' fill="#666" font-size="10"')}`;
    }),
    text((LEFT + WIDTH - RIGHT) / 2, EPOCHS.bottom + 40, "middle", unit.name),
    text(LEFT, 20, "start", escaped(run), ' font-size="14" font-weight="bold"'),
  ];
  const height = Math.max(HEIGHT, WEIGHTS.top + 36 * domains.length + 20);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#222">
<title>${escaped(run)}: ${batches} batches</title>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${lines.join("\n")}
</svg>
`;
}

/** One area a domain, from the sum of the weights before it up to its own, in steps at the stages. */
function areas({ schedule, batches }: SimulationReport, across: (tokens: number) => number): string[] {
  const plan = openPlan(schedule);
  const { top, bottom } = WEIGHTS;
  const stages = stagesInForce(schedule.stages)
    .filter(({ stage }) => stage.cause.kind !== "stop" && stage.fromBatch < batches)
    .map(({ stage }) => ({
      weights: stage.weights,
      from: at(across(plan.tokens(stage.fromBatch))),
      until: at(across(plan.tokens(Math.min(batches, stage.untilBatch ?? batches)))),
    }));
  return schedule.header.domains.map((_, i) => {
    const level = (weights: readonly number[], count: number) =>
      at(bottom - (weights.slice(0, count).reduce((sum, w) => sum + w, 0) / PARTS) * (bottom - top));
    const upper = stages.map(
      ({ weights, from, until }) => `${from},${level(weights, i + 1)} ${until},${level(weights, i + 1)}`,
    );
    const lower = stages
      .toReversed()
      .map(({ weights, from, until }) => `${until},${level(weights, i)} ${from},${level(weights, i)}`);
    return `<polygon fill="${colorOf(i)}" fill-opacity="0.85" points="${[...upper, ...lower].join(" ")}"/>`;
  });
}

/** One line a domain with tokens: rows given over the rows of an epoch; a dot where it runs dry. */
function epochLines(
  { schedule, batches, domains }: SimulationReport,
  across: (tokens: number) => number,
  most: number,
): string[] {
  const plan = openPlan(schedule);
  const { top, bottom } = EPOCHS;
  const { header } = schedule;
  const up = (epochs: number) => at(bottom - (epochs / most) * (bottom - top));
  const places = Array.from({ length: POINTS + 1 }, (_, i) => Math.round((i / POINTS) * batches));
  const served = places.map((k) => plan.served(k));
  return header.domains.flatMap((domain, i) => {
    const rows = epochRows(domain, header.rowTokens);
    if (rows === 0) return [];
    const points = places.map((k, place) => `${at(across(plan.tokens(k)))},${up(served[place]![i]! / rows)}`);
    const { dry } = domains[i]!;
    return [
      `<polyline fill="none" stroke="${colorOf(i)}" stroke-width="2" points="${points.join(" ")}"/>`,
      ...(dry === null
        ? []
        : [
            `<circle cx="${at(across(dry.tokens))}" cy="${up(plan.served(dry.batch + 1)[i]! / rows)}" r="4" fill="#fff" stroke="${colorOf(i)}" stroke-width="2"/>`,
          ]),
    ];
  });
}

/** The least of 1, 2, 5 x 10^n that is not below a value. */
function niceEnd(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((end) => end >= value * (1 - 1e-9))!;
}

function colorOf(domain: number): string {
  return COLORS[domain % COLORS.length]!;
}

function at(place: number): string {
  return String(Number(place.toFixed(1)));
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function text(x: number, y: number, anchor: string, words: string, more = ""): string {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${more}>${words}</text>`;
}
