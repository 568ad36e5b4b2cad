/**
 * The built-in filters: what they cost beside tokenizing the same documents, and how well they rank beside other classifiers that learn from
 * the same folds of the same labels. Scores that are ranked are of documents that neither weights nor strength nor odds were learnt on.
 *
 *   node bench/filters.ts [--peers DIR] [--minilm FOLDER] [--repeats 5] [--json]
 *
 * Documents and labels are those of the shared sample (../shared or $HEADRACE_SHARED). fastText and PyTorch are looked for in the virtual
 * environments of DIR (or $HEADRACE_PEERS): `venv` and `venv-stream`. MiniLM takes minutes and is left out where FOLDER is not given.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  areaUnderRoc,
  collectLabelled,
  type HeldOutScore,
  heldOutScores,
  labelId,
  loadFilter,
  pairedRanking,
  piecesOf,
  RECIPES,
  type Recipe,
  rankingOf,
  readLabels,
  scoreAll,
} from "../filters/index.ts";
import { loadTokenizer, planInputs, readSource } from "../pipeline/index.ts";
import { median } from "./statistics.ts";
import { shared } from "./texts.ts";

const NAMES = ["ads", "fluency"] as const;
type Name = (typeof NAMES)[number];

const { values: flags } = parseArgs({
  options: {
    peers: { type: "string", default: process.env["HEADRACE_PEERS"] ?? "" },
    minilm: { type: "string" },
    repeats: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
});

const sample = join(shared, "data/redpajama-sample");
const tokenizer = await loadTokenizer(join(sample, "tokenizer.model"));
const { files } = await planInputs([join(sample, "by-domain")]);
const documents: { readonly text: string; readonly domain: string }[] = [];
for (const file of files)
  for await (const chunk of readSource(file))
    for (const { text, domain } of chunk.documents) documents.push({ text, domain });

/** CPU seconds of some work. */
function cpuSeconds(work: () => void): number {
  const begun = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}

/** Tokenizing and scoring in turns, by CPU time: the whole sample, and its web pages, which filters are for. */
async function costs(web: boolean) {
  const texts = documents
    .filter(({ domain }) => !web || domain === "c4" || domain === "commoncrawl")
    .map(({ text }) => text);
  const score = scoreAll(NAMES.map((name) => loadFilter(name, tokenizer.sha256)));
  const out = new Int32Array(NAMES.length);
  const rounds = [];
  for (let repeat = 0; repeat < Number(flags.repeats); repeat++) {
    const { encodeInto } = await freshTokenizer();
    const buffer = { ids: new Uint16Array(2 ** 20) };
    const tokens: Uint16Array[] = [];
    const first = cpuSeconds(() => {
      for (const text of texts) tokens.push(buffer.ids.slice(0, encodeInto(text, buffer)));
    });
    const again = cpuSeconds(() => {
      for (const text of texts) encodeInto(text, buffer);
    });
    const scoring = cpuSeconds(() => {
      texts.forEach((text, i) => {
        score({ text }, tokens[i]!, tokens[i]!.length, out);
      });
    });
    // The first round is the compiler's.
    if (repeat > 0 || Number(flags.repeats) === 1) rounds.push({ first, again, scoring });
  }
  const megabytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
  const seconds = median(rounds.map(({ scoring }) => scoring));
  return {
    documents: texts.length,
    documentsASecond: texts.length / seconds,
    megabytesASecond: megabytes / seconds,
    shareOfTokenizingFirst: median(rounds.map(({ first, scoring }) => scoring / first)),
    shareOfTokenizingAgain: median(rounds.map(({ again, scoring }) => scoring / again)),
  };
}

async function freshTokenizer() {
  const fresh = await loadTokenizer(join(sample, "tokenizer.model"));
  return {
    encodeInto: (text: string, buffer: { ids: Uint16Array }) => fresh.encodeInto(text, buffer, 0),
  };
}

const pieces = piecesOf((ids) => tokenizer.decode(ids), tokenizer.vocabularySize, tokenizer.encode("a")[0]!);

/** The same regression on nothing but which ids occur how often, in the whole document. */
function unigrams(recipe: Recipe): Recipe {
  return {
    ...recipe,
    targets: recipe.soughtGrades.includes(3) ? [0, 0, 1, 1] : recipe.targets,
    inverseDocumentFrequency: false,
    excerpt: { head: 2 ** 29, tail: 0, level: "logarithm" },
    measures: [],
    gates: [],
    strengths: [1, 3, 10, 30],
  };
}

async function heldOut(name: Name, recipe: Recipe): Promise<readonly HeldOutScore[]> {
  const labels = readLabels(join(shared, "data/labels/ads-fluency.tsv"), name);
  async function* corpus() {
    for (const file of files) for await (const chunk of readSource(file)) yield* chunk.documents;
  }
  const labelled = await collectLabelled(
    labels,
    corpus(),
    (text) => tokenizer.encode(text),
    RECIPES[name]!.assumed,
  );
  return heldOutScores({
    recipe,
    documents: labelled.documents,
    pieces,
    tokenizer: tokenizer.sha256,
    labels: labels.sha256,
  }).filter(({ assumed }) => !assumed);
}

const ours = {
  ads: await heldOut("ads", RECIPES["ads"]!),
  fluency: await heldOut("fluency", RECIPES["fluency"]!),
};
const plain = {
  ads: await heldOut("ads", unigrams(RECIPES["ads"]!)),
  fluency: await heldOut("fluency", unigrams(RECIPES["fluency"]!)),
};

interface Peer {
  readonly version: string;
  readonly scores: Readonly<Record<Name, readonly number[]>>;
  readonly seconds: number;
}

function peer(engine: string, venv: string, ...rest: readonly string[]): Peer {
  const textOf = new Map(documents.map(({ text }) => [labelId(text), text]));
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    const input = join(folder, "input.json");
    writeFileSync(
      input,
      JSON.stringify({
        texts: ours.ads.map(({ id }) => textOf.get(id)!.toWellFormed()),
        filters: Object.fromEntries(
          NAMES.map((name) => {
            const byId = new Map(ours[name].map((one) => [one.id, one]));
            const rows = ours.ads.map(({ id }) => byId.get(id)!);
            return [name, { folds: rows.map(({ fold }) => fold), sought: rows.map(({ sought }) => sought) }];
          }),
        ),
      }),
    );
    const script = join(import.meta.dirname, "peer-filters.py");
    const python = join(flags.peers, venv, "bin/python");
    const { status, stdout, stderr, error } = spawnSync(python, [script, engine, input, ...rest], {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    if (status !== 0) throw new Error(`${engine} failed: ${error?.message ?? stderr.slice(-2000)}`);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const peers: Readonly<Record<string, Peer>> = {
  ...(flags.peers !== "" && { fastText: peer("fasttext", "venv") }),
  ...(flags.peers !== "" &&
    flags.minilm !== undefined && {
      "MiniLM and logistic regression": peer("minilm", "venv-stream", flags.minilm),
    }),
};

const result = {
  cost: { sample: await costs(false), web: await costs(true) },
  ranking: Object.fromEntries(
    NAMES.map((name) => {
      const within = ours[name].flatMap(({ domain }, i) => (domain === "c4" ? [i] : []));
      const sign = RECIPES[name]!.dropWhen === "high" ? 1 : -1;
      const sought = within.map((i) => ours[name][i]!.sought);
      const own = within.map((i) => sign * ours[name][i]!.score);
      const at = new Map(ours.ads.map(({ id }, i) => [id, i]));
      const others: Readonly<Record<string, readonly number[]>> = {
        "token unigrams": within.map((i) => sign * plain[name][i]!.score),
        ...Object.fromEntries(
          Object.entries(peers).map(([engine, { scores }]) => [
            engine,
            within.map((i) => scores[name][at.get(ours[name][i]!.id)!]!),
          ]),
        ),
      };
      return [
        name,
        {
          ours: rankingOf(own, sought),
          others: Object.fromEntries(
            Object.entries(others).map(([engine, scores]) => [
              engine,
              { auc: areaUnderRoc(scores, sought), oursLess: pairedRanking(own, scores, sought) },
            ]),
          ),
        },
      ];
    }),
  ),
  peers: Object.fromEntries(
    Object.entries(peers).map(([engine, { version, seconds }]) => [
      engine,
      { version, documentsASecond: ours.ads.length / seconds },
    ]),
  ),
};

if (flags.json) console.log(JSON.stringify(result, null, 2));
else {
  for (const [what, cost] of Object.entries(result.cost))
    console.log(
      `${what}: ${cost.documents} documents, both filters: ${Math.round(cost.documentsASecond).toLocaleString("en")} documents/s, ${cost.megabytesASecond.toFixed(0)} MB/s, ${percent(cost.shareOfTokenizingFirst)} of tokenizing with a cold cache, ${percent(cost.shareOfTokenizingAgain)} with a warm one`,
    );
  for (const [engine, { version, documentsASecond }] of Object.entries(result.peers))
    console.log(
      `${engine} (${version}): ${Math.round(documentsASecond).toLocaleString("en")} documents/s, one filter`,
    );
  for (const [name, { ours, others }] of Object.entries(result.ranking)) {
    const interval = `${ours.aucFrom.toFixed(3)} to ${ours.aucTo.toFixed(3)}`;
    console.log(
      `${name}: AUC ${ours.auc.toFixed(4)} (95 % ${interval}), ${ours.positives} of ${ours.documents}`,
    );
    for (const [engine, { auc, oursLess }] of Object.entries(others))
      console.log(
        `  ${engine} ${auc.toFixed(4)}; ours is better by ${oursLess.difference.toFixed(4)} (${oursLess.from.toFixed(4)} to ${oursLess.to.toFixed(4)}), p = ${oursLess.p.toFixed(4)}`,
      );
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
