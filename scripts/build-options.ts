/**
 * The flags that `build`, `calibrate` and `score` share, and what they mean to the pipeline.
 */
import type { ArgumentsCamelCase, Argv } from "yargs";
import { parseOwnSpec, parseScoreField } from "../filters/index.ts";
import { domainName, HeadraceError } from "../index.ts";
import type { SourceOptions } from "../pipeline/index.ts";

/** Flags on what is read, how it is tokenized and which filters score it. */
export function curateFlags(args: Argv) {
  return sourceFlags(args)
    .option("tokenizer", {
      type: "string",
      default: "llama-2",
      describe: "llama-2, or a tokenizer.model or tokenizer.json",
    })
    .option("tokenizer-engine", {
      choices: ["headrace", "transformers"] as const,
      default: "headrace" as const,
      describe: "transformers: slow, exact for other tokenizers",
    })
    .option("special-tokens", {
      choices: ["spell", "parse"] as const,
      default: "spell" as const,
      describe: "literal <s> and the like: text, or control ids as `tokenizers` does",
    })
    .option("bos", { type: "boolean", default: true, describe: "the BOS id before every document" })
    .option("eos", { type: "boolean", default: false, describe: "the EOS id after every document" })
    .option("filters", {
      type: "string",
      describe:
        "ads, fluency, gopher-quality, gopher-repetition, c4-quality, fineweb-quality or model files, comma between [ads,fluency for LLaMA-2's tokenizer, and rule sets that --drop names]",
    })
    .option("filter", {
      type: "string",
      array: true,
      describe:
        "NAME=KIND:VALUE:high|low[,cut=N]…: a filter of your own; KIND is contamination, duplicates, fasttext, function, length, ngram, onnx, regex, url-domains or url-words (docs/filters.md)",
    })
    .option("score-field", {
      type: "string",
      array: true,
      describe:
        "NAME=PATH:high|low[,cut=N][,scale=N][,missing=keep]: a score in the input as a filter that drops high or low values",
    })
    .option("apply-to", {
      type: "string",
      array: true,
      describe:
        "FILTER=DOMAIN,… where a filter applies [commoncrawl,c4; a score field where the sample has it]",
    });
}

/** Flags on where in a record a document is. */
export function sourceFlags<T>(args: Argv<T>) {
  return args
    .option("text", {
      type: "string",
      describe: "field of the text, a.b goes into an object [text, else content]",
    })
    .option("url-field", { type: "string", describe: "field of the address, for filters that look at it" })
    .option("domain-field", { type: "string", describe: "field of the domain [meta.redpajama_set_name]" })
    .option("domain", { type: "string", describe: "one domain for every record" })
    .option("map-domain", {
      type: "string",
      array: true,
      describe: "NAME=DOMAIN, for names that are not SlimPajama's",
    })
    .option("max-document-bytes", {
      type: "number",
      describe: "longer records are quarantined [67,108,864]",
    });
}

/** The parsed flags of `curateFlags`. */
export type CurateArguments = ArgumentsCamelCase<
  ReturnType<typeof curateFlags> extends Argv<infer T> ? T : never
>;

/** The parsed flags of `sourceFlags`. */
export type SourceArguments = ArgumentsCamelCase<
  ReturnType<typeof sourceFlags<object>> extends Argv<infer T> ? T : never
>;

/** Options of the pipeline from the flags. Throws ERR_ARGUMENT and ERR_DOMAIN. */
export function curateOptions(args: CurateArguments) {
  const applyTo = pairs("apply-to", args.applyTo).map(
    ([filter, domains]) => [filter, list(domains).map(domainName)] as const,
  );
  return {
    tokenizer: args.tokenizer,
    tokenizerEngine: args.tokenizerEngine,
    specialTokens: args.specialTokens,
    bos: args.bos,
    eos: args.eos,
    source: {
      ...sourceOptions(args),
      ...(args.scoreField && { scoreFields: args.scoreField.map(parseScoreField) }),
    },
    ...(args.filters !== undefined && { filters: list(args.filters) }),
    ...(args.filter && { ownFilters: args.filter.map((text) => parseOwnSpec(text).text) }),
    ...(args.applyTo && { applyTo: Object.fromEntries(applyTo) }),
  };
}

/** Options of reading from the flags. Throws ERR_DOMAIN and ERR_ARGUMENT. */
export function sourceOptions(args: SourceArguments): SourceOptions {
  return {
    ...given({
      domainField: args.domainField,
      domain: args.domain,
      maxDocumentBytes: args.maxDocumentBytes,
      urlField: args.urlField,
    }),
    ...(args.text !== undefined && { textFields: list(args.text) }),
    ...(args.mapDomain && { domainMap: Object.fromEntries(pairs("map-domain", args.mapDomain)) }),
  };
}

/** The fields that have a value: flags that were not given are left to the defaults behind them. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

function list(text: string): readonly string[] {
  return text.split(",").filter((part) => part !== "");
}

function pairs(flag: string, values: readonly string[] = []): readonly (readonly [string, string])[] {
  return values.map((value) => {
    const at = value.indexOf("=");
    if (at < 1) throw new HeadraceError("ERR_ARGUMENT", `--${flag} is "${value}"; write NAME=VALUE`);
    return [value.slice(0, at), value.slice(at + 1)] as const;
  });
}

/** Bytes from 512MB, 64MiB, 1GB or a plain number. Throws ERR_ARGUMENT. */
export function bytesOf(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?$/.exec(text);
  if (!match)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--${flag} is "${text}"; write bytes, or a size such as 512MB or 64MiB`,
    );
  const power = ["", "k", "M", "G", "T"].indexOf(match[2]!);
  return Math.round(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}
