/**
 * Writes a split of a folder of shards in the form that another loader reads. The folder of the export is there whole or not at all,
 * its bytes follow from the shards and the options, and its documents and tokens are counted from what was written.
 */
import { HeadraceError } from "../../core/errors.ts";
import { readManifest, type ShardManifest, type Split, type TokenShard } from "../manifest.ts";
import { openPendingFolder } from "../pending-folder.ts";
import {
  type DomainWriter,
  EXPORT_FORMATS,
  type ExportFormat,
  type FormatOptions,
  writeFileOf,
} from "./format.ts";
import { EXPORT_RECORD, type ExportRecord } from "./record.ts";

/** What to export. */
export interface ExportOptions extends FormatOptions {
  readonly to: ExportFormat;
  /** A folder that does not exist or is empty. */
  readonly out: string;
  /** Default `train`. */
  readonly split?: Split;
  /** Default: all that the split has, in domain order. */
  readonly domains?: readonly string[];
  readonly onProgress?: (progress: {
    readonly domain: string;
    readonly tokensDone: number;
    readonly tokens: number;
  }) => void;
}

/** What was written. */
export interface ExportReport {
  readonly to: ExportFormat;
  readonly out: string;
  readonly split: Split;
  readonly documents: number;
  readonly tokens: number;
  readonly files: number;
  readonly bytes: number;
  readonly domains: readonly {
    readonly name: string;
    readonly documents: number;
    readonly tokens: number;
    readonly files: number;
    readonly bytes: number;
  }[];
}

interface DomainPlan {
  readonly name: string;
  readonly shards: readonly TokenShard[];
  readonly documents: number;
  readonly tokens: number;
}

/**
 * Exports a folder of shards. Reads every byte of the split once or twice; memory is a record batch or what the format says.
 * Throws ERR_INPUT, ERR_DOMAIN, ERR_SHARD, ERR_OUTPUT (also where `out` is not empty), ERR_ARGUMENT.
 */
export async function exportShards(dir: string, options: ExportOptions): Promise<ExportReport> {
  const { to, out, split = "train", onProgress } = options;
  const manifest = await readManifest(dir);
  const plans = planDomains(dir, manifest, split, options.domains);
  const tokens = sum(plans.map((plan) => plan.tokens));
  const writeDomain = await writerOf(to);
  const folder = await openPendingFolder(out);
  let tokensDone = 0;
  try {
    const domains: ExportRecord["domains"][number][] = [];
    for (const plan of plans) {
      const written = await writeDomain({
        dir,
        manifest,
        split,
        domain: plan.name,
        shards: plan.shards,
        options,
        folder,
        advance(count) {
          tokensDone += count;
          onProgress?.({ domain: plan.name, tokensDone, tokens });
        },
      });
      if (written.documents !== plan.documents || written.tokens !== plan.tokens)
        throw new HeadraceError(
          "ERR_SHARD",
          `${written.documents} documents and ${written.tokens} tokens of "${plan.name}" were written, and the manifest says ${plan.documents} and ${plan.tokens}; run headrace verify ${dir}`,
        );
      domains.push({ name: plan.name, ...written });
    }
    const { fingerprint: shards, tokenType, tokenizer } = manifest;
    const record: ExportRecord = {
      format: "headrace-export/1",
      to,
      shards,
      split,
      tokenType,
      tokenizer,
      domains,
    };
    const text = new TextEncoder().encode(`${JSON.stringify(record, undefined, 1)}\n`);
    await writeFileOf(folder, EXPORT_RECORD, (file) => file.write(text));
    await folder.commit();
    return reportOf(record, out);
  } finally {
    await folder.abort();
  }
}

function planDomains(
  dir: string,
  manifest: ShardManifest,
  split: Split,
  names: readonly string[] | undefined,
): readonly DomainPlan[] {
  const of = (name: string) => manifest.shards.filter((one) => one.split === split && one.domain === name);
  const present = manifest.domains.filter((name) => of(name).length > 0);
  const absent = names?.find((name) => !present.includes(name));
  if (absent !== undefined || present.length === 0)
    throw new HeadraceError(
      "ERR_DOMAIN",
      absent === undefined
        ? `${dir} has no ${split} shards; choose another split`
        : `domain "${absent}" has no ${split} shards in ${dir}; it has ${present.join(", ") || "none at all"}`,
    );
  return present
    .filter((name) => names === undefined || names.includes(name))
    .map((name) => {
      const shards = of(name);
      return {
        name,
        shards,
        documents: sum(shards.map((shard) => shard.documents)),
        tokens: sum(shards.map((shard) => shard.tokens)),
      };
    });
}

/** The writer of a format, loaded when it is asked for: the parquet libraries are of no use to the others. */
async function writerOf(to: ExportFormat): Promise<DomainWriter> {
  switch (to) {
    case "megatron":
      return (await import("./megatron.ts")).exportMegatron;
    case "mds":
      return (await import("./mds.ts")).exportMds;
    case "nanoset":
      return (await import("./nanoset.ts")).exportNanoset;
    case "parquet":
      return (await import("./parquet.ts")).exportParquet;
    case "jsonl":
      return (await import("./jsonl.ts")).exportJsonl;
    case "arrow-stream":
      return (await import("./arrow-stream.ts")).exportArrowStream;
    default:
      to satisfies never;
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `export format "${to}" is unknown; choose ${EXPORT_FORMATS.join(", ")}`,
      );
  }
}

function reportOf(record: ExportRecord, out: string): ExportReport {
  const domains = record.domains.map(({ name, documents, tokens, files }) => ({
    name,
    documents,
    tokens,
    files: files.length,
    bytes: sum(files.map(({ bytes }) => bytes)),
  }));
  const total = (field: "documents" | "tokens" | "files" | "bytes") =>
    sum(domains.map((domain) => domain[field]));
  return {
    to: record.to,
    out,
    split: record.split,
    documents: total("documents"),
    tokens: total("tokens"),
    files: total("files"),
    bytes: total("bytes"),
    domains,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
