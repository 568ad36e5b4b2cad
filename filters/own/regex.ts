/**
 * How much of a document a regular expression matches, as a filter: matches, the share of its characters, or of its lines.
 * The expression is JavaScript's. One that backtracks without end is stopped after ten seconds on a document, which is then quarantined.
 */
import vm from "node:vm";
import { messageOf } from "../../core/errors.ts";
import { readText } from "./files.ts";
import type { OpenedFilter, OwnDocument, OwnValue } from "./own-filter.ts";
import { type OwnSpec, ownScale, refuse, wordSetting } from "./spec.ts";

/** Seconds. Whatever ends at all ends in a thousandth of it; so no slower machine quarantines another document. */
const TIME_LIMIT = 10;
/** Matches that are shown. */
const SHOWN = 5;

/** The filter of `regex:PATTERN` or `regex:@FILE`, whose lines are alternatives. Throws ERR_ARGUMENT and ERR_INPUT. */
export async function regexFilter(spec: OwnSpec, seconds = TIME_LIMIT): Promise<OpenedFilter> {
  const measure = wordSetting(spec, "measure", ["count", "share", "lines"]);
  const flags = spec.settings.get("flags") ?? "u";
  const source = spec.value.startsWith("@") ? await patternsOf(spec) : spec.value;
  const expression = expressionOf(spec, source, flags);
  const measured = { count: countOf, share: shareOf, lines: linesOf }[measure];
  const tooLong: OwnValue = {
    failed: `took longer than ${seconds} s on this document: the expression backtracks without end; write it without nested repetition`,
  };
  const guarded = guard(seconds, (documents: readonly OwnDocument[]) =>
    documents.map(({ text }) => measured(text, expression)),
  );
  return {
    ...ownScale(spec, {
      dropWhen: "high",
      scale: 1,
      cut: measure === "count" ? 0.5 : null,
      missing: "quarantine",
    }),
    // The tables of Unicode decide what `\p{…}` and the flag `i` match.
    identity: { source, flags, measure, unicode: process.versions.unicode },
    saturates: true,
    values(documents) {
      const all = guarded(documents);
      if (all !== null || documents.length === 1) return all ?? [tooLong];
      return documents.map((document) => guarded([document])?.[0] ?? tooLong);
    },
    why: ({ text }) =>
      Array.from(text.matchAll(expression), ([found]) => JSON.stringify(found)).slice(0, SHOWN),
  };
}

/** Runs a function under the time limit; null where it was stopped. */
function guard<In, Out>(seconds: number, work: (given: In) => Out): (given: In) => Out | null {
  const context = vm.createContext({ work, given: undefined as In | undefined });
  const script = new vm.Script("work(given)");
  return (given) => {
    context["given"] = given;
    try {
      return script.runInContext(context, { timeout: 1000 * seconds }) as Out;
    } catch (error) {
      if ((error as { readonly code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return null;
      throw error;
    } finally {
      context["given"] = undefined;
    }
  };
}

function countOf(text: string, expression: RegExp): number {
  let count = 0;
  for (const _ of text.matchAll(expression)) count++;
  return count;
}

/** Of UTF-16 units. */
function shareOf(text: string, expression: RegExp): number {
  let matched = 0;
  for (const [found] of text.matchAll(expression)) matched += found.length;
  return matched / text.length;
}

/** Of the lines, blank ones too. */
function linesOf(text: string, expression: RegExp): number {
  const lines = text.split("\n");
  return lines.filter((line) => line.search(expression) >= 0).length / lines.length;
}

function expressionOf({ text }: OwnSpec, source: string, flags: string): RegExp {
  if (!/^[imsuv]*$/.test(flags)) refuse(text, `has flags=${flags}; there are i, m, s, u and v`);
  try {
    return new RegExp(source, `g${flags}`);
  } catch (cause) {
    return refuse(text, `is no regular expression: ${messageOf(cause)}`);
  }
}

async function patternsOf(spec: OwnSpec): Promise<string> {
  const lines = (await readText(spec, spec.value.slice(1))).split(/\r?\n/).filter((line) => line !== "");
  if (lines.length === 0) refuse(spec.text, "names a file without a pattern");
  for (const line of lines) expressionOf(spec, line, spec.settings.get("flags") ?? "u");
  return lines.map((line) => `(?:${line})`).join("|");
}
