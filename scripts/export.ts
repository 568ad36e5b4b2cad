/**
 * `headrace export`: a split of a folder of shards in the form that another loader reads.
 */
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { duration, grouped, Progress, printJson, say, size, table } from "./display.ts";

const FORMATS = ["megatron", "mds", "nanoset", "parquet", "jsonl", "arrow-stream"] as const;

/** The command. */
export const exportShards = command({
  command: "export <shards>",
  describe: "shards in the form of another loader",
  flags: (args) =>
    args
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("to", { choices: FORMATS, demandOption: true, describe: "the form" })
      .option("out", { type: "string", demandOption: true, describe: "folder for it, new or empty" })
      .option("split", {
        choices: ["train", "validation", "dropped"] as const,
        default: "train" as const,
        describe: "which split",
      })
      .option("domain", {
        type: "string",
        array: true,
        describe: "this domain only; may be repeated [all that the split has]",
      })
      .option("parquet-version", {
        choices: [1, 2] as const,
        default: 2 as const,
        describe: "1 for readers that know no other, at a tenth of the speed",
      })
      .option("text", {
        type: "boolean",
        default: false,
        describe: "with jsonl: also the text of the ids",
      })
      .option("tokenizer", {
        type: "string",
        default: "llama-2",
        describe: "with --text: llama-2, or the tokenizer.model or tokenizer.json of the shards",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const shards = await import("../shards/index.ts");
    const decode = args.text ? await decoderOf(args.shards, args.tokenizer) : undefined;
    const progress = new Progress("export");
    const report = await shards.exportShards(args.shards, {
      to: args.to,
      out: args.out,
      split: args.split,
      parquetVersion: args.parquetVersion,
      ...given({ domains: args.domain, decode }),
      onProgress: ({ domain, tokensDone, tokens }) =>
        progress.show(tokensDone, tokens, `${domain}, ${grouped(tokensDone)} tokens`),
    });
    const seconds = progress.end();
    say(
      table([
        ["domain", "documents", "tokens", "files", "size"],
        ...report.domains.map(({ name, documents, tokens, files, bytes }) => [
          name,
          documents,
          tokens,
          files,
          size(bytes),
        ]),
        ["all", report.documents, report.tokens, report.files, size(report.bytes)],
      ]),
    );
    say(`\n${args.split} as ${args.to} in ${args.out} after ${duration(seconds)}`);
    if (args.json) printJson({ ...report, seconds });
  },
});

/** The decoder of the tokenizer that the shards were made with. */
async function decoderOf(dir: string, spec: string): Promise<(ids: Iterable<number>) => string> {
  const { readManifest } = await import("../shards/index.ts");
  const { loadTokenizer } = await import("../pipeline/index.ts");
  const { HeadraceError } = await import("../index.ts");
  const [manifest, tokenizer] = [await readManifest(dir), await loadTokenizer(spec)];
  if (tokenizer.sha256 !== manifest.tokenizer.sha256)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${dir} was made with tokenizer ${manifest.tokenizer.name} (${manifest.tokenizer.sha256.slice(0, 12)}…), and ${spec} is another (${tokenizer.sha256.slice(0, 12)}…); name that one with --tokenizer`,
    );
  return (ids) => tokenizer.decode(ids);
}
