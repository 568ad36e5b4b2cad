/**
 * The parts of a build by themselves, one after the other on one thread: where its time goes, and the limits above it.
 */
import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { findRuleFilter, loadFilter, scoreAll } from "../filters/index.ts";
import { loadTokenizer, planInputs, readSource } from "../pipeline/index.ts";

/** One part: seconds for the whole input. */
export interface Stage {
  readonly name: string;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** Measures every part on the files of `input`, from the files or from what the part before gives; `rules` are names of rule sets. */
export async function measureStages(input: string, rules: readonly string[]): Promise<readonly Stage[]> {
  const stages: Stage[] = [];
  const timed = async (name: string, work: () => unknown) => {
    const wall = performance.now();
    const cpu = process.cpuUsage();
    await work();
    const used = process.cpuUsage(cpu);
    stages.push({
      name,
      wallSeconds: (performance.now() - wall) / 1000,
      cpuSeconds: (used.user + used.system) / 1e6,
    });
  };
  const { files } = await planInputs([input]);
  const texts: string[] = [];
  await timed("zstd alone", () => {
    for (const { path } of files) zstdDecompressSync(readFileSync(path));
  });
  await timed("reading: zstd, lines, JSON", async () => {
    for (const file of files)
      for await (const chunk of readSource(file)) for (const { text } of chunk.documents) texts.push(text);
  });
  const tokenizer = await loadTokenizer("llama-2");
  const buffer = { ids: new Uint16Array(2 ** 20) };
  const tokens: Uint16Array[] = [];
  await timed("tokenizing alone", () => {
    for (const text of texts) tokens.push(buffer.ids.slice(0, tokenizer.encodeInto(text, buffer, 0)));
  });
  const ads = loadFilter("ads", tokenizer.sha256);
  await timed("classifier ads alone", () => {
    for (const [i, text] of texts.entries()) ads.score(text, tokens[i]!, tokens[i]!.length);
  });
  const scoreRules = scoreAll(rules.map((name) => findRuleFilter(name)!));
  const scores = new Int32Array(rules.length);
  const documents = texts.map((text) => ({ text, utf8: Buffer.from(text) }));
  await timed(`rule sets alone: ${rules.join(", ")}`, () => {
    for (const [i, document] of documents.entries())
      scoreRules(document, tokens[i]!, tokens[i]!.length, scores);
  });
  return stages;
}
