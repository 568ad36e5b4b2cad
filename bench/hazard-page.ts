/**
 * The page that bench/hazards.ts writes: a table of what each tool made of each hazard, and what that comes to.
 */
import type { Hazard } from "../fixtures/hazards/stage.ts";

/** What a tool made of one hazard between two good files. */
export interface Outcome {
  /** Good documents in the hazard and around it, and how many of them came out. */
  readonly good: number;
  readonly kept: number;
  /** Other documents that came out. */
  readonly others: number;
  /** Whether there is something to say: a record or bytes that are no document. */
  readonly due: boolean;
  /** Whether what was said names the file. */
  readonly said: "named" | "unnamed" | "silent";
  /** Exit status; null where the tool was stopped because it did not end. */
  readonly status: number | null;
}

/** A tool and its outcomes by file of the hazard. */
export interface ToolOutcomes {
  readonly tool: string;
  readonly version: string;
  /** Null: the tool reads no files of this kind. */
  readonly outcomes: ReadonlyMap<string, Outcome | null>;
}

/** The page as Markdown. */
export function page(hazards: readonly Hazard[], tools: readonly ToolOutcomes[], day: string): string {
  const rows = hazards.map(({ file, holds }) =>
    [`\`${file}\`: ${holds}`, ...tools.map(({ outcomes }) => cell(outcomes.get(file) ?? null))].join(" | "),
  );
  const sums = SUMS.map(([what, counts]) =>
    [what, ...tools.map(({ outcomes }) => readBy(outcomes).filter(counts).length)].join(" | "),
  );
  const names = tools.map(({ tool, version }) => `${tool} ${version}`);
  const rule = `| --- |${tools.map(() => " --- |").join("")}`;
  return [
    ...INTRODUCTION.map((line) => line.replace("DAY", day).replace("HAZARDS", String(hazards.length))),
    "",
    `| of ${hazards.length} hazards | ${names.join(" | ")} |`,
    rule,
    `| read at all | ${tools.map(({ outcomes }) => readBy(outcomes).length).join(" | ")} |`,
    ...sums.map((row) => `| ${row} |`),
    "",
    ...READING,
    "",
    `| hazard | ${names.join(" | ")} |`,
    rule,
    ...rows.map((row) => `| ${row} |`),
    "",
  ].join("\n");
}

const INTRODUCTION = [
  "# Inputs that go wrong",
  "",
  "HAZARDS ways for an input to go wrong (`fixtures/hazards`), each in a run of its own between two good files: what `headrace build`, datatrove and dolma made of them on DAY.",
  "What headrace must make of each is a table of its own (`fixtures/hazards/hazards.json`) that a test holds it to, through the command: every good document kept, every record that is no document and",
  "every stretch of bytes that cannot be read named with its place, exit status 3 where bytes or a domain were lost and else 0. This page is written by",
  "",
  "```sh",
  "node bench/hazards.ts --peers DIR",
  "```",
  "",
  "datatrove: `JsonlReader` (for tables `ParquetReader`, `IpcReader`) to `JsonlWriter`, one task of the local executor, defaults; what it wrote before an error counts. dolma: `dolma tag` with one tagger, in one process, then",
  "`dolma mix` where that ended well; `backports.zstd` is installed beside it, so that it opens `.zst`. All read the same files, as a user without the rights of root; what had not ended after 30 seconds was stopped.",
];

const SUMS: readonly (readonly [string, (outcome: Outcome) => boolean])[] = [
  ["every good document kept", ({ kept, good }) => kept === good],
  ["good documents lost, exit status 0", ({ kept, good, status }) => kept < good && status === 0],
  [
    "ended by it, good files behind it unread",
    ({ kept, good, status }) => kept < good && status !== 0 && status !== null,
  ],
  ["did not end", ({ status }) => status === null],
  ["records or bytes lost, and nothing said", (outcome) => lost(outcome) && outcome.said === "silent"],
  ["records or bytes lost, and no file named", (outcome) => lost(outcome) && outcome.said === "unnamed"],
];

const READING = [
  "- **datatrove** goes on after a line that it cannot parse and names the file in its log. A byte that is not UTF-8 or a byte order mark costs it good lines around it, at status 0 and with the task marked complete, as valid JSON does that its",
  "  parser refuses (half a surrogate pair, numbers without end, deep lists); damage in a compressed file, a JSON list, a wrong name, a dead link or a missing permission end the task, with what came before written. It takes carriage returns alone for line ends, and documents of 200 MB; headrace does neither by default.",
  "- **dolma** ends at the first line that it cannot parse, empty ones too, and names the file of most: nothing is made until somebody has mended the input. What follows zeros in a gzip file is an error in its log at status 0. It takes documents of 200 MB and empty texts.",
  "- **headrace** does not rescue what could be guessed: a record behind a byte order mark inside a file, `NaN`, records that share a line, a list of records. Of a corrupt gzip member of more than 1 MiB up to 32 KiB of stored bytes before",
  "  the damage are lost with it. After damage to the metadata of an Arrow message the rows behind it are numbered without those lost. A folder that cannot be listed ends a build before anything is read, with status 1.",
  "",
  "In the table: good documents that came out, of how many there are in the hazard and around it, and `+ n` others, which headrace does not take for documents; whether what was",
  "said names the file (`named`), is there without it (`unnamed`), or is missing (`silent`; a dash where nothing was wrong and nothing was said); the exit status.",
];

/** Whether something is in no document that came out; what came out beside the good ones is not lost. */
function lost({ due, others, status }: Outcome): boolean {
  return due && others === 0 && status !== null;
}

function readBy(outcomes: ToolOutcomes["outcomes"]): readonly Outcome[] {
  return [...outcomes.values()].filter((outcome) => outcome !== null);
}

function cell(outcome: Outcome | null): string {
  if (outcome === null) return "reads no tables";
  const { good, kept, others, due, said, status } = outcome;
  const documents = `${kept === good ? kept : `**${kept}**`} of ${good}${others > 0 ? ` + ${others}` : ""}`;
  const words = said === "silent" && !due && kept === good ? "–" : said;
  return `${documents}, ${words}, ${status === null ? "did not end" : status}`;
}
