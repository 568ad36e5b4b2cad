/**
 * What a person sees: a progress line with rate and ETA, aligned tables, spark-lines, sizes. All of it goes to standard error,
 * so that standard output stays for machines.
 */

/** A progress line: redrawn in place on a terminal, a plain line every ten seconds elsewhere. */
export class Progress {
  readonly #label: string;
  #started = performance.now();
  readonly #live = process.stderr.isTTY === true;
  #drawn = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** Shows how far it is: `done` of `total` (0: unknown) in the same unit, and a few words. */
  show(done: number, total: number, detail: string): void {
    const now = performance.now();
    if (now - this.#drawn < (this.#live ? 100 : 10_000)) return;
    this.#drawn = now;
    const seconds = (now - this.#started) / 1000;
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const eta = share > 0.01 && share < 1 ? `, ${duration((seconds * (1 - share)) / share)} left` : "";
    const line = `${this.#label} ${total > 0 ? `${(100 * share).toFixed(0).padStart(3)} %  ` : ""}${detail}${eta}`;
    process.stderr.write(
      this.#live ? `\r\u001b[2K${line.slice(0, (process.stderr.columns ?? 80) - 1)}` : `${line}\n`,
    );
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
