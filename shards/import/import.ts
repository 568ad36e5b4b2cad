/**
 * Takes token data that people already have into a folder of shards, so that it can be mixed, served and verified like any other: a copy of
 * the tokens, or shards that refer to the files where they lie (docs/format.md 1.8). The folder is there whole or not at all, and its bytes follow from the inputs and the options.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileWhole } from "../../core/commit.ts";
import { HeadraceError } from "../../core/errors.ts";
import { hashOf, sha256File } from "../../core/hash.ts";
import { type CompactedDomain, compactDomain } from "../compact.ts";
import { compactScores } from "../compact-scores.ts";
import { writeGaps } from "../gap.ts";
import {
  type ManifestTokenizer,
  manifestFingerprint,
  type ShardManifest,
  SPLITS,
  writeManifest,
} from "../manifest.ts";
import { type Origin, originKey, writeOrigin } from "../origin.ts";
import { openPendingFolder } from "../pending-folder.ts";
import type { TokenType } from "../schema.ts";
import { planValidation, type ValidationPlan } from "../validation.ts";
import { accountOf, type ImportedGroup } from "./account.ts";
import { planImport } from "./inputs.ts";
import { referableType, referToAll } from "./reference.ts";
import { type OpenInput, type Scan, scanInputs } from "./scan.ts";
import { openForeignSegment } from "./segment.ts";

/** What to import. */
export interface ImportOptions {
  /** `[validation/]domain=path`, or a path that names its domain; see `planImport`. */
  readonly inputs: readonly string[];
  /** A folder that does not exist or is empty. */
  readonly out: string;
  /** The tokenizer that made the ids; default: what the record of an export says. Every id is checked against its vocabulary. */
  readonly tokenizer?: Pick<ManifestTokenizer, "name" | "sha256" | "vocabularySize" | "bos" | "eos">;
  /** Bytes of token values of a shard at most; default 512,000,000. */
  readonly shardBytes?: number;
  /** Tokens to hold out of each domain that has no validation input, at most 5 % of it (docs/format.md 1.5); default 0. */
  readonly validationTokens?: number;
  /** Row at which a domain of few documents is split; default 256. */
  readonly validationRow?: number;
  /** Refer to the tokens where they lie instead of copying them. Each file must hold ids of 16 or 32 bits, all the same; nothing is held out. Default false. */
  readonly reference?: boolean;
  readonly onProgress?: (progress: {
    readonly domain: string;
    /** Each token counts twice: it is checked, then copied or referred to. */
    readonly tokensDone: number;
    readonly tokens: number;
  }) => void;
}

/** What was imported. */
export interface ImportReport {
  readonly out: string;
  readonly fingerprint: string;
  readonly documents: number;
  readonly tokens: number;
  readonly shards: number;
  /** Foreign files of tokens. */
  readonly files: number;
  readonly domains: readonly {
    readonly name: string;
    readonly documents: number;
    readonly train: number;
    readonly validation: number;
  }[];
}

/** Version of what an import makes of its inputs; a change of the code that changes bytes raises it. */
const IMPORT_VERSION = 1;
/** How `headrace build` sizes its shards. */
const SHARD_BYTES = 512_000_000;

/**
 * Imports Megatron's and datatrove's token files. Reads their tokens three times: for the hash of the file, to check them, to copy them (two
 * times where it refers to them); memory is a record batch and two numbers for each. Throws ERR_INPUT, ERR_DOMAIN, ERR_TOKENIZER, ERR_ARGUMENT, and ERR_OUTPUT, also
 * where `out` is not empty.
 */
export async function importTokens(options: ImportOptions): Promise<ImportReport> {
  const plan = await planImport(options.inputs);
  const tokenizer = tokenizerOf(options.tokenizer, plan.tokenizer);
  const reference = options.reference ?? false;
  if (reference && (options.validationTokens ?? 0) > 0)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `${options.validationTokens} validation tokens cannot be held out of files that are referred to; name a file of them as validation/DOMAIN=PATH, or leave out --reference`,
    );
  const shardBytes = options.shardBytes ?? SHARD_BYTES;
  const folder = await openPendingFolder(options.out);
  const dir = folder.path;
  const inputs: OpenInput[] = [];
  try {
    for (const [i, input] of plan.inputs.entries())
      inputs.push({ ...input, tokens: input.open(), scorePath: join(dir, ".build", `${i}.arrow`) });
    const tokenType: TokenType = reference
      ? referableType(inputs)
      : tokenizer.vocabularySize <= 2 ** 16
        ? "uint16"
        : "int32";
    const hashes = await hashesOf(inputs);
    const total = 2 * sum(inputs.map(({ tokens }) => tokens.tokens));
    let tokensDone = 0;
    const groups: (ImportedGroup & CompactedDomain & Pick<Scan, "withBos" | "withEos">)[] = [];
    for (const group of [...Map.groupBy(inputs, ({ split, domain }) => `${split}/${domain}`).values()]) {
      const { split, domain } = group[0]!;
      const advance = (count: number) => {
        tokensDone += count;
        options.onProgress?.({ domain, tokensDone, tokens: total });
      };
      const given = inputs.some((input) => input.split === "validation" && input.domain === domain);
      const targetTokens = split === "train" && !given ? (options.validationTokens ?? 0) : 0;
      const scan = await scanInputs(group, { tokenizer, tokenType, targetTokens, advance });
      const validation: ValidationPlan =
        targetTokens > 0
          ? planValidation(scan.candidates, { targetTokens, rowTokens: options.validationRow ?? 256 })
          : { kind: "none", reason: "" };
      const compacted = reference
        ? { shards: await referToAll(group, { folder, tokenType, hashes }), gap: null }
        : await compactDomain({
            dir,
            domain,
            segments: group.map((input) => () => openForeignSegment(input, tokenType)),
            schema: { tokenType, filters: [] },
            tokenizer: tokenizer.sha256,
            plan: split === "train" ? validation : { kind: "whole", split },
            shardBytes,
          });
      const { documents, tokens } = scan.candidates;
      advance(tokens);
      groups.push({ ...scan, ...compacted, split, domain, documents, tokens, validation });
    }

    const tables = await compactScores({
      dir,
      segments: inputs.map(({ scorePath }) => ({ path: scorePath })),
      filters: [],
      plans: Object.fromEntries(
        groups.filter(({ split }) => split === "train").map(({ domain, validation }) => [domain, validation]),
      ),
    });
    await rm(join(dir, ".build"), { recursive: true, force: true });
    for (const name of ["quarantine.jsonl", "incidents.jsonl"]) await writeFileWhole(join(dir, name), "");
    await writeGaps(
      dir,
      groups.flatMap(({ gap }) => gap ?? []),
    );
    const documentsOf = (split: string) =>
      sum(groups.filter((group) => group.split === split).map(({ documents }) => documents));
    const origin: Origin = {
      format: "headrace-origin/1",
      version: IMPORT_VERSION,
      inputs: originInputs(inputs, hashes),
      documents: { train: documentsOf("train"), validation: documentsOf("validation") },
      loneSurrogates: 0,
      options: {
        import: inputs.map(({ split, domain, source }) => ({ split, domain, source })),
        tokenizer: tokenizer.sha256,
        tokenType,
        ...(reference ? { reference } : { shardBytes }),
        keepDropped: true, // as a build says it: everything that was read is here
        validation: { tokens: options.validationTokens ?? 0, row: options.validationRow ?? 256 },
      },
      calibration: null,
    };
    await writeOrigin(dir, origin);
    const { name, sha256, vocabularySize, bos, eos } = tokenizer;
    // What documents begin and end with is what all of them do, for nothing else says it.
    const all = (field: "withBos" | "withEos") => {
      const with_ = sum(groups.map((group) => group[field]));
      return with_ > 0 && with_ === sum(groups.map(({ documents }) => documents));
    };
    const draft: Omit<ShardManifest, "fingerprint"> = {
      format: reference ? "headrace-shards/2" : "headrace-shards/1",
      key: originKey(origin),
      tokenizer: { name, sha256, vocabularySize, bos, eos, addBos: all("withBos"), addEos: all("withEos") },
      tokenType,
      filters: [],
      domains: plan.domains,
      shards: SPLITS.flatMap((split) =>
        plan.domains.flatMap((domain) =>
          groups.flatMap(({ shards }) =>
            shards.filter((shard) => shard.split === split && shard.domain === domain),
          ),
        ),
      ),
      tables,
      account: accountOf(groups, sum(inputs.map(({ tokens }) => tokens.bytes))),
    };
    const manifest = { ...draft, fingerprint: manifestFingerprint(draft) };
    await writeManifest(dir, manifest);
    await folder.commit();
    return reportOf(manifest, options.out, inputs.length);
  } finally {
    for (const { tokens } of inputs) tokens.close();
    await folder.abort();
  }
}

function tokenizerOf(
  named: ImportOptions["tokenizer"],
  recorded: ImportOptions["tokenizer"],
): NonNullable<ImportOptions["tokenizer"]> {
  const tokenizer = named ?? recorded;
  if (!tokenizer)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      "files of tokens do not say which tokenizer made them; name it with --tokenizer",
    );
  if (recorded && recorded.sha256 !== tokenizer.sha256)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `the export was made with tokenizer ${recorded.name} (${recorded.sha256.slice(0, 12)}…), and ${tokenizer.name} (${tokenizer.sha256.slice(0, 12)}…) was named; leave --tokenizer out`,
    );
  return tokenizer;
}

/** The SHA-256 of every file of the inputs, by path. */
async function hashesOf(inputs: readonly OpenInput[]): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  for (const { tokens } of inputs)
    for (const path of tokens.paths) hashes.set(path, hashes.get(path) ?? (await sha256File(path)));
  return hashes;
}

/** An input of several files is known by the hash over their hashes. */
function originInputs(inputs: readonly OpenInput[], hashes: ReadonlyMap<string, string>): Origin["inputs"] {
  return inputs.map(({ split, domain, source, tokens }) => ({
    role: split,
    source: `${domain}/${source}`,
    bytes: tokens.bytes,
    sha256: hashOf(tokens.paths.map((path) => hashes.get(path)!)),
  }));
}

function reportOf(manifest: ShardManifest, out: string, files: number): ImportReport {
  const { account, shards } = manifest;
  return {
    out,
    fingerprint: manifest.fingerprint,
    documents: account.read,
    tokens: sum(shards.map(({ tokens }) => tokens)),
    shards: shards.length,
    files,
    domains: manifest.domains.map((name) => ({
      name,
      documents: account.domains[name]!.read,
      train: account.domains[name]!.tokens.kept,
      validation: account.domains[name]!.tokens.heldOut,
    })),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
