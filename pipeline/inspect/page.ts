/**
 * `headrace inspect --html`: one file that holds everything: data, style and script. It opens from the disk, asks the network for nothing,
 * and its own policy forbids any other script. Whatever a document says is data, and reaches the page as text.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileWhole } from "../../core/commit.ts";
import { SCORE_UNIT } from "../../filters/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type Candidate, candidatesOf, nearest, reaching, spread } from "./candidates.ts";
import { cutRates } from "./cut-rates.ts";
import { explainerOf } from "./explainer.ts";
import { type InspectRequest, openRequest, readCandidates } from "./inspect.ts";
import type { Inspected } from "./inspected.ts";
import type { Inspection } from "./inspection.ts";
import type { PageData, PageDocument } from "./page-data.ts";
import { nameOfPart } from "./part-name.ts";

/** The parts of the page's script in the order in which they need each other; `main.js` runs it. */
const SCRIPTS = ["elements", "rates", "histogram", "reading", "main"];
const FOLDER = join(import.meta.dirname, "browser");
/** Parts of a score that are told one by one. */
const TOLD_PARTS = 12;

/** Writes the page of a build's filter, whole or not at all. Throws what `pageData` throws, and ERR_OUTPUT. */
export async function writeInspectPage(
  path: string,
  request: InspectRequest,
  tokenizer: Tokenizer,
): Promise<{ readonly bytes: number; readonly documents: number }> {
  const data = await pageData(request, tokenizer);
  const page = pageOf(data);
  await writeFileWhole(path, page);
  return { bytes: Buffer.byteLength(page), documents: data.documents.length };
}

/**
 * What the page holds. `documents` is how many are shown in each domain: on either side of its threshold, and twice that spread over the
 * scores; a quarter where the filter does not apply. Deterministic. Throws what `inspect` throws, and ERR_INPUT.
 */
export async function pageData(request: InspectRequest, tokenizer: Tokenizer): Promise<PageData> {
  const { characters = 2000 } = request;
  const { of, shards } = await openRequest(request, tokenizer);
  const explainer = explainerOf(of, tokenizer, request.model);
  const rates = await cutRates(of);
  const names = rates.domains.map(({ name }) => name);
  const chosen = names.flatMap((name) =>
    choose(
      of,
      request,
      shards.filter(({ domain }) => domain === name),
    ),
  );
  const documents = readCandidates(of, chosen, tokenizer, explainer, characters);
  return {
    format: "headrace-inspect/1",
    shards: request.dir,
    fingerprint: of.manifest.fingerprint,
    filter: of.filter.name,
    dropWhen: of.filter.dropWhen,
    ...rates,
    documents: documents.map((document) => pageDocument(document, names)),
    characters,
    dropped: of.manifest.shards.some(({ split }) => split === "dropped"),
    unexplained: explainer.unexplained,
  };
}

/** The documents of one domain: near its threshold, then over the scores, each once, by ascending score. */
function choose(
  of: Inspection,
  { nearThreshold, documents }: InspectRequest,
  shards: Parameters<typeof candidatesOf>[1],
): readonly Candidate[] {
  const found = () => reaching(of, candidatesOf(of, shards));
  const filtered = of.thresholds?.has(shards[0]?.domain as never) ?? false;
  const near = filtered ? nearest(found(), documents) : [];
  const over = nearThreshold ? [] : spread(found(), filtered ? 2 * documents : Math.ceil(documents / 4));
  const places = new Map(
    [...near, ...over].map((one) => [`${one.shard.path} ${one.batch} ${one.row}`, one] as const),
  );
  return [...places.values()].sort((a, b) => a.score - b.score);
}

function pageDocument(document: Inspected, names: readonly string[]): PageDocument {
  const { domain, source, line, tokens, score, split, droppedBy, text, runs, explanation } = document;
  const shown = runs.reduce((sum, run) => sum + run.length, 0);
  const integer = (value: number) => Math.round(value * SCORE_UNIT);
  return {
    domain: names.indexOf(domain),
    source,
    line,
    tokens,
    score: integer(score),
    split,
    droppedBy,
    cut: text.length - shown,
    runs: runs.flatMap((run) => [run.text, Number(run.weight.toFixed(4))]),
    parts: explanation && partsOf(explanation.parts.map((part) => [nameOfPart(part), integer(part.weight)])),
    partial: explanation && explanation.score !== score ? integer(explanation.score) : null,
  };
}

/** The heaviest parts, and the others as one. */
function partsOf(parts: readonly (readonly [string, number])[]): readonly (string | number)[] {
  const rest = parts.slice(TOLD_PARTS);
  const sum = rest.reduce((all, [, weight]) => all + weight, 0);
  const told: readonly (readonly [string, number])[] =
    rest.length === 0 ? parts : [...parts.slice(0, TOLD_PARTS), [`${rest.length} more`, sum]];
  return told.flat();
}

/** The page of its data: the same data, the same bytes. */
export function pageOf(data: PageData): string {
  const style = asset("page.css");
  const script = `(() => {\n"use strict";\n${SCRIPTS.map((name) => joined(asset(`${name}.js`))).join("\n")}})();\n`;
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const title = escapeText(`${data.filter}: either side of the cut`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="headrace">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<main id="page"><noscript>This page draws its own figures and needs its script.</noscript></main>
<script type="application/json" id="data">${escapeJson(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

function asset(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

/** A module of the script as a part of one script: what ties modules together falls away. */
function joined(module: string): string {
  return module.replaceAll(/^import [^;]*;\n/gm, "").replaceAll(/^export /gm, "");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** JSON that no parser of HTML can take for its own. */
function escapeJson(data: PageData): string {
  return JSON.stringify(data).replaceAll(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
