/** A line chart as SVG: plain, readable on light and dark pages, no library. */

/** One line. */
export interface Series {
  readonly name: string;
  readonly color: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What is drawn: axes from 0 to their ends, lines, and one level that is not to be passed. */
export interface Chart {
  readonly title: string;
  readonly x: { readonly label: string; readonly end: number; readonly step: number };
  readonly y: { readonly label: string; readonly end: number; readonly step: number };
  readonly level: { readonly at: number; readonly name: string };
  readonly series: readonly Series[];
}

const WIDTH = 760;
const HEIGHT = 400;
const LEFT = 64;
const RIGHT = 20;
const TOP = 44;
const BOTTOM = 52;

/** The chart as a file's text. Deterministic. */
export function drawChart({ title, x, y, level, series }: Chart): string {
  const across = (value: number) => LEFT + (value / x.end) * (WIDTH - LEFT - RIGHT);
  const up = (value: number) => HEIGHT - BOTTOM - (value / y.end) * (HEIGHT - TOP - BOTTOM);
  const text = (at: number, down: number, anchor: string, words: string, more = "") =>
    `<text x="${at.toFixed(1)}" y="${down.toFixed(1)}" text-anchor="${anchor}"${more}>${words}</text>`;
  const lines = [
    ...ticks(y).map(
      (value) =>
        `<path d="M${LEFT} ${up(value).toFixed(1)}H${WIDTH - RIGHT}" stroke="#ddd"/>${text(LEFT - 8, up(value) + 4, "end", String(value))}`,
    ),
    ...ticks(x).map((value) => text(across(value), HEIGHT - BOTTOM + 20, "middle", String(value))),
    text(WIDTH / 2, 24, "middle", title, ' font-size="15" font-weight="bold"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "middle", x.label),
    text(0, 0, "middle", y.label, ` transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"`),
    `<path d="M${LEFT} ${up(level.at).toFixed(1)}H${WIDTH - RIGHT}" stroke="#c0392b" stroke-dasharray="6 4"/>`,
    text(WIDTH - RIGHT - 4, up(level.at) - 6, "end", level.name, ' fill="#c0392b"'),
    ...series.map(
      ({ color, points }) =>
        `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${points.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join(" ")}"/>`,
    ),
    ...series.map(({ name, color }, i) => {
      const down = HEIGHT - BOTTOM - 14 - 20 * (series.length - 1 - i);
      return `<path d="M${LEFT + 14} ${down - 4}h24" stroke="${color}" stroke-width="3"/>${text(LEFT + 46, down, "start", name)}`;
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">
<title>${title}</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${lines.join("\n")}
</svg>
`;
}

function ticks({ end, step }: { readonly end: number; readonly step: number }): readonly number[] {
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}
