/**
 * The names that SlimPajama, RedPajama and the projects built on them give to the seven domains, and ours.
 * Where a record does not say its domain, the file's name does, or the nearest of its folders that has such a name.
 */
import { type DomainName, domainName } from "../core/domain.ts";

/**
 * Their names to ours: `redpajama_set_name` (SlimPajama-627B's card), the folders of LLaMA-MoE (scripts/tokenize/slimpajama_convert.sh),
 * the set names of LLM-Shearing (llmshearing/data), those of RedPajama-Data-1T, and ours.
 */
export const DOMAIN_NAMES: ReadonlyMap<string, DomainName> = new Map(
  Object.entries({
    commoncrawl: ["RedPajamaCommonCrawl", "en_cc", "cc", "common_crawl"],
    c4: ["RedPajamaC4", "en_c4", "c4-rp"],
    github: ["RedPajamaGithub"],
    wikipedia: ["RedPajamaWikipedia", "en_wikipedia", "wiki"],
    book: ["RedPajamaBook", "en_book"],
    arxiv: ["RedPajamaArXiv", "en_arxiv"],
    stackexchange: ["RedPajamaStackExchange", "en_stack"],
  }).flatMap(([ours, theirs]) =>
    [ours, ...theirs].map((name): [string, DomainName] => [name, domainName(ours)]),
  ),
);

/**
 * The domain that a path under the input root names, or null: the file's name up to its first dot, the same without a running
 * number at its end (`c4-00012-of-01024`), then its folders from the inside out.
 */
export function domainOfPath(source: string, names: ReadonlyMap<string, DomainName>): DomainName | null {
  const parts = source.split("/").reverse();
  const stem = parts[0]!.split(".")[0]!;
  const candidates = [parts[0]!, stem, stem.replace(/([-_](\d+|of|part))+$/, ""), ...parts.slice(1)];
  for (const candidate of candidates) {
    const domain = names.get(candidate);
    if (domain !== undefined) return domain;
  }
  return null;
}
