/**
 * What a person sees: a progress line with rate and ETA, aligned tables, spark-lines, sizes. All of it goes to standard error,
 * so that standard output stays for machines.
 */

/** A few words of a progress line, and shorter ones where the line is narrow. */
export type Words = string | readonly [long: string, short: string];

/** How far something is. */
export interface Position {
  readonly label: string;
  /** `done` of `total` (0: unknown), in the same unit; of these `reused` took no time. */
  readonly done: number;
  readonly total: number;
  readonly reused: number;
  readonly seconds: number;
}

/**
 * A progress line of at most `width` characters: the share that is done, the time that is left, then `words` in order of importance. Where they
 * do not fit they are shortened, then left out from the last.
 */
export function progressLine(at: Position, words: readonly Words[], width: number): string {
  const { label, done, total, reused, seconds } = at;
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const own = done - reused;
  const left = own > 0.01 * (total - reused) && share < 1 ? (seconds * (total - done)) / own : null;
  const head = total > 0 ? `${label} ${(100 * share).toFixed(0).padStart(3)} %  ` : `${label} `;
  const all: readonly Words[] = [...(left === null ? [] : [`${duration(left)} left`]), ...words];
  const written = (form: 0 | 1) => all.map((one) => (typeof one === "string" ? one : one[form]));
  const long = head + written(0).join(", ");
  if (long.length <= width) return long.trimEnd();
  const short = written(1);
  while (short.length > 1 && (head + short.join(", ")).length > width) short.pop();
  return (head + short.join(", ")).slice(0, width).trimEnd();
}

/** A progress line: redrawn in place on a terminal, a plain line every ten seconds elsewhere. */
export class Progress {
  readonly #label: string;
  #started = performance.now();
  readonly #live = process.stderr.isTTY === true;
  #drawn = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** Shows how far it is: `done` of `total` (0: unknown) in the same unit, `reused` of it from before, and a few words, the most important first. */
  show(done: number, total: number, words: string | readonly Words[], reused = 0): void {
    const now = performance.now();
    if (now - this.#drawn < (this.#live ? 100 : 10_000)) return;
    this.#drawn = now;
    const at = { label: this.#label, done, total, reused, seconds: this.seconds };
    // A terminal that does not say how wide it is, or says 0, has 80 columns; the last one is left to the cursor.
    const width = this.#live ? (process.stderr.columns || 80) - 1 : Number.POSITIVE_INFINITY;
    const line = progressLine(at, typeof words === "string" ? [words] : words, width);
    process.stderr.write(this.#live ? `\r\u001b[2K${line}` : `${line}\n`);
  }

  /** Counts rate and ETA from here. */
  restart(): void {
    this.#started = performance.now();
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Removes the line from a terminal and returns the seconds since the start. */
  end(): number {
    if (this.#live) process.stderr.write("\r\u001b[2K");
    return this.seconds;
  }
}

/** A line for a person, on standard error. */
export function say(line = ""): void {
  process.stderr.write(`${line}\n`);
}

/** The one object that `--json` prints, on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Columns of the terminal that standard error goes to; no limit where it is none. */
export function screenWidth(): number {
  return process.stderr.isTTY ? process.stderr.columns || 80 : Number.POSITIVE_INFINITY;
}

/**
 * A table that is no wider than `width`: where it would be, it is cut before column `cut`, and again wherever a part is still too wide. Each part
 * begins with the first column.
 */
export function fittedTable(
  rows: readonly (readonly (string | number)[])[],
  cut: number,
  width: number,
): string {
  const part = (from: number, to: number) => table(rows.map((row) => [row[0]!, ...row.slice(from, to)]));
  const fits = (text: string) => text.split("\n").every((line) => line.length <= width);
  const columns = rows[0]!.length;
  if (fits(part(1, columns))) return part(1, columns);
  const parts: string[] = [];
  for (const [first, end] of [
    [1, cut],
    [cut, columns],
  ] as const)
    for (let from = first; from < end; ) {
      let to = end;
      while (to > from + 1 && !fits(part(from, to))) to--;
      parts.push(part(from, to));
      from = to;
    }
  return parts.join("\n\n");
}

/** Rows as aligned columns, numbers to the right; the first row is the head. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "number" ? grouped(cell) : cell)));
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const right = widths.map((_, column) =>
    rows.slice(1).every((row) => /^[-+\d]|^$/.test(String(row[column] ?? ""))),
  );
  return cells
    .map((row) =>
      row
        .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Values as one character each, from the smallest to the largest of them. */
export function sparkline(values: readonly number[]): string {
  const bars = "▁▂▃▄▅▆▇█";
  const least = Math.min(...values);
  const range = Math.max(...values) - least;
  return values.map((value) => bars[range === 0 ? 3 : Math.round((7 * (value - least)) / range)]).join("");
}

/** 1234567 as 1,234,567; fractions to three places. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 });
}

/** 1234567 as 1.23 M: three digits of an estimate; whole below 1,000. */
export function compact(value: number): string {
  for (const [unit, factor] of [
    ["T", 1e12],
    ["B", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const)
    if (value >= 0.9995 * factor) return `${(value / factor).toPrecision(3)} ${unit}`;
  return String(Math.round(value));
}

/** Bytes in decimal units. */
export function size(bytes: number): string {
  for (const [unit, factor] of [
    ["TB", 1e12],
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ] as const)
    if (bytes >= factor) return `${(bytes / factor).toFixed(bytes >= 100 * factor ? 0 : 1)} ${unit}`;
  return `${bytes} B`;
}

/** Seconds as 5 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** A share as a percentage. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
