/**
 * A document of a build as a person reads it in a terminal: what was decided, the text with what weighed most marked, and what the score is made of.
 */
import { type DropWhen, drops } from "../filters/index.ts";
import { type Inspected, nameOfPart, visibleText, type Weighed } from "../pipeline/index.ts";
import { grouped } from "./display.ts";
import { type Fragment, wrap } from "./wrap.ts";

/** How to write. */
export interface Reading {
  readonly filter: string;
  readonly dropWhen: DropWhen;
  /** Columns of a line. */
  readonly width: number;
  /** Escape sequences for colour, or signs where there is none. */
  readonly colour: boolean;
}

interface Mark {
  readonly before: string;
  readonly after: string;
}

const INDENT = "   ";
/** So many parts of a score are told one by one. */
const TOLD_PARTS = 12;
/** What weighs less than this share of the heaviest stretch is not marked: else every "the" would be. */
const FAINTEST_MARK = 0.3;
const PLAIN: Mark = { before: "", after: "" };
const SIGNS = { drop: { before: "\u00ab", after: "\u00bb" }, keep: { before: "\u2039", after: "\u203a" } };
const COLOURS = {
  drop: { before: "\u001b[1;31m", after: "\u001b[0m" },
  keep: { before: "\u001b[34m", after: "\u001b[0m" },
};
const BOLD: Mark = { before: "\u001b[1m", after: "\u001b[0m" };
const FAINT: Mark = { before: "\u001b[2m", after: "\u001b[0m" };

/** What the marks mean, in one line. */
export function legend({ colour }: Pick<Reading, "colour">): string {
  const { drop, keep } = colour ? COLOURS : SIGNS;
  const shown = ({ before, after }: Mark, word: string) => `${before}${word}${after}`;
  return `marked words weighed most: ${shown(drop, "towards")} being dropped, ${shown(keep, "against")} it`;
}

/** The lines of a document. Nothing in it can steer the terminal. */
export function readingOf(document: Inspected, reading: Reading): string {
  const { width, colour } = reading;
  const bold = colour ? BOLD : PLAIN;
  const faint = colour ? FAINT : PLAIN;
  const { domain, source, line, tokens, runs, text, explanation } = document;
  const body = width - INDENT.length;
  const indent = (lines: readonly string[]) => lines.map((one) => (one === "" ? "" : INDENT + one));
  const place = [visibleText(domain), `${visibleText(source)}:${line}`, `${grouped(tokens)} tokens`];
  const head = [
    { text: verdictOf(document, reading), ...bold },
    { text: ` \u00b7 ${scoreOf(document, reading)}`, ...PLAIN },
    { text: ` \u00b7 ${place.join(" \u00b7 ")}`, ...faint },
  ];
  const heavy = FAINTEST_MARK * Math.max(...runs.map(({ weight }) => Math.abs(weight)));
  const told = runs.reduce((sum, run) => sum + run.length, 0);
  const fragments: Fragment[] = runs.map((run) => ({
    text: run.text,
    ...(Math.abs(run.weight) < heavy ? PLAIN : markOf(run.weight, reading)),
  }));
  if (told < text.length)
    fragments.push({ text: ` \u2026 ${grouped(text.length - told)} characters more`, ...faint });
  const parts =
    explanation === null || explanation.parts.length === 0
      ? []
      : [{ text: partsOf(explanation.parts, reading), ...PLAIN }];
  const note =
    explanation === null || explanation.score === document.score
      ? []
      : [
          {
            text: `(these parts are of the tokens in the shard, whose score is ${explanation.score.toFixed(4)}: it does not hold all that was scored)`,
            ...faint,
          },
        ];
  return [
    ...wrap(head, width),
    ...indent(wrap(fragments, body)),
    ...(parts.length > 0 ? ["", ...indent(wrap(parts, body)), ...indent(wrap(note, body))] : []),
    "",
    "",
  ].join("\n");
}

function verdictOf({ split, droppedBy }: Inspected, { filter }: Reading): string {
  const by = droppedBy === null || droppedBy === filter ? "" : ` by ${droppedBy}`;
  if (split === "dropped") return `\u2500\u2500 dropped${by}`;
  return `\u2500\u2500 ${split === "validation" ? "held out" : "kept"}${droppedBy === null ? "" : `, tagged ${droppedBy}`}`;
}

function scoreOf({ score, threshold }: Inspected, { filter, dropWhen }: Reading): string {
  if (threshold === null) return `${filter} ${score.toFixed(4)}`;
  const sign = drops(dropWhen, score, threshold) === (dropWhen === "high") ? "\u2265" : "<";
  return `${filter} ${score.toFixed(4)} ${sign} cut ${threshold.toFixed(4)}`;
}

function markOf(weight: number, { dropWhen, colour }: Reading): Mark {
  if (weight === 0) return PLAIN;
  const marks = colour ? COLOURS : SIGNS;
  return weight > 0 === (dropWhen === "high") ? marks.drop : marks.keep;
}

/** The parts in order of weight and what the rest comes to; what is written sums to the score, but for rounding. */
function partsOf(parts: readonly Weighed[], reading: Reading): string {
  const told = parts.slice(0, TOLD_PARTS);
  const rest = parts.slice(TOLD_PARTS).reduce((sum, { weight }) => sum + weight, 0);
  const words = told.map((part) => {
    const { before, after } = reading.colour ? markOf(part.weight, reading) : PLAIN;
    return `${before}${signed(part.weight)}${after} ${nameOfPart(part)}`;
  });
  if (parts.length > TOLD_PARTS) words.push(`${signed(rest)} ${parts.length - TOLD_PARTS} more`);
  return words.join(" \u00b7 ");
}

function signed(weight: number): string {
  return `${weight < 0 ? "\u2212" : "+"}${Math.abs(weight).toFixed(2)}`;
}
