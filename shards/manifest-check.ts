/**
 * Whether a manifest agrees with itself: order, counts, positions, fingerprint and the account. Pure; what is on disk is `verify.ts`.
 */
import type { ErrorCode } from "../core/errors.ts";
import {
  type Account,
  type DomainAccount,
  type ForeignShard,
  MANIFEST,
  manifestFingerprint,
  type ShardManifest,
  SPLITS,
  type TokenShard,
} from "./manifest.ts";
import { tokenBytes } from "./schema.ts";

/** One thing that is wrong with a folder of shards. */
export interface Problem {
  readonly code: ErrorCode;
  /** The file that it is about, under the folder, with `/`. */
  readonly path: string;
  /** What was seen, what was expected and the way out, on one line. */
  readonly message: string;
}

/** Everything that a manifest says twice and differently. */
export function manifestProblems(manifest: ShardManifest): readonly Problem[] {
  const { account, shards, tables } = manifest;
  const problems: Problem[] = [];
  const say = (code: ErrorCode, what: string) => {
    const message = `${MANIFEST}: ${what}; restore the file or build again`;
    problems.push({ code, path: MANIFEST, message });
  };
  const fingerprint = manifestFingerprint(manifest);
  if (fingerprint !== manifest.fingerprint)
    say("ERR_MANIFEST", `its fingerprint is ${manifest.fingerprint}, and its shards give ${fingerprint}`);
  for (const what of [
    ...orderProblems(manifest),
    ...shards.flatMap((shard) => shardProblems(manifest, shard)),
  ])
    say("ERR_MANIFEST", what);
  for (const what of accountProblems(account)) say("ERR_ACCOUNT", what);
  for (const domain of new Set([...manifest.domains, ...Object.keys(account.domains)]))
    for (const what of domainProblems(manifest, domain)) say("ERR_ACCOUNT", what);
  const scored = sum(tables.map(({ documents }) => documents));
  if (scored !== account.read - account.quarantined)
    say(
      "ERR_ACCOUNT",
      `the score table has ${scored} records, and ${account.read} records were read of which ${account.quarantined} are quarantined`,
    );
  return problems;
}

function orderProblems({ domains, shards, tables }: ShardManifest): readonly string[] {
  const paths = [...shards, ...tables].map(({ path }) => path);
  const twice = paths.find((path, i) => paths.indexOf(path) < i);
  const rank = (shard: TokenShard) => [
    SPLITS.indexOf(shard.split),
    domains.indexOf(shard.domain),
    Number(/(\d+)\.(?:arrow|tokens)$/.exec(shard.path)?.[1]),
  ];
  const misplaced = shards.find((shard, i) => i > 0 && !isAscending(rank(shards[i - 1]!), rank(shard)));
  return [
    ...(twice === undefined ? [] : [`it lists ${twice} twice`]),
    ...(misplaced ? [`shard ${misplaced.path} is not in stream order`] : []),
  ];
}

function shardProblems(manifest: ShardManifest, shard: TokenShard): readonly string[] {
  const { path, batches, documents, tokens } = shard;
  const width = tokenBytes(manifest.tokenType);
  const found: string[] = [];
  if (!manifest.domains.includes(shard.domain))
    found.push(`shard ${path} is of domain "${shard.domain}", which it does not list`);
  // The path is checked whole, so that a manifest cannot point outside its folder.
  const [split, domain, name, ...rest] = path.split("/");
  if (
    split !== shard.split ||
    domain !== shard.domain ||
    !(shard.foreign ? /^\d{5,}\.tokens$/ : /^\d{5,}\.arrow$/).test(name ?? "") ||
    rest.length > 0
  )
    found.push(
      `shard ${path} does not lie at ${shard.split}/${shard.domain}/NNNNN.${shard.foreign ? "tokens" : "arrow"}`,
    );
  const batchDocuments = sum(batches.map((batch) => batch.documents));
  const batchTokens = sum(batches.map((batch) => batch.tokens));
  if (batchDocuments !== documents || batchTokens !== tokens)
    found.push(
      `shard ${path} has ${documents} documents and ${tokens} tokens, and its batches ${batchDocuments} and ${batchTokens}`,
    );
  if (shard.foreign && shard.foreign.offsets.path !== path.replace(/tokens$/, "offsets"))
    found.push(`the offsets of shard ${path} do not lie beside it`);
  const misplaced = shard.foreign
    ? misplacedForeign(shard as ForeignShard, width)
    : misplacedBatch(shard, width);
  if (misplaced >= 0) {
    const { offsetsAt, tokensAt } = batches[misplaced]!;
    found.push(`batch ${misplaced} of shard ${path} lies at ${offsetsAt} and ${tokensAt}, which cannot be`);
  }
  return found;
}

/** The first batch that does not lie after the one before it, offsets before tokens, inside the file; -1 where all do. */
function misplacedBatch({ batches, bytes }: TokenShard, width: number): number {
  let end = 0;
  return batches.findIndex(({ documents, tokens, offsetsAt, tokensAt }) => {
    const before = end;
    end = tokensAt + width * tokens;
    const aligned = offsetsAt % 8 === 0 && tokensAt % 8 === 0;
    return !aligned || offsetsAt < before || tokensAt < offsetsAt + 4 * (documents + 1) || end > bytes;
  });
}

/** The first batch whose tokens do not begin where those before it end, or whose offsets overlap or pass the end of their file; -1 where none. */
function misplacedForeign({ batches, bytes, foreign }: ForeignShard, width: number): number {
  let tokensEnd = 0;
  let offsetsEnd = 0;
  return batches.findIndex(({ documents, tokens, offsetsAt, tokensAt }) => {
    const [tokensFrom, offsetsFrom] = [tokensEnd, offsetsEnd];
    tokensEnd = tokensAt + width * tokens;
    offsetsEnd = offsetsAt + 4 * (documents + 1);
    return (
      tokensAt !== tokensFrom ||
      tokensEnd > bytes ||
      offsetsAt % 8 !== 0 ||
      offsetsAt < offsetsFrom ||
      offsetsEnd > foreign.offsets.bytes
    );
  });
}

function accountProblems(account: Account): readonly string[] {
  const domains = Object.values(account.domains);
  const found: string[] = [];
  const equal = (what: string, seen: number, expected: number) => {
    if (seen !== expected) found.push(`${what} is ${seen}, and its parts give ${expected}`);
  };
  equal("account.read", account.read, whereTo(account));
  equal("account.bytes.total", account.bytes.total, account.bytes.read + account.bytes.unreadable);
  equal("account.kept", account.kept, sum(domains.map(({ kept }) => kept)));
  equal("account.heldOut", account.heldOut, sum(domains.map(({ heldOut }) => heldOut)));
  for (const filter of new Set([account, ...domains].flatMap(({ dropped }) => Object.keys(dropped))))
    equal(
      `account.dropped.${filter}`,
      account.dropped[filter] ?? 0,
      sum(domains.map(({ dropped }) => dropped[filter] ?? 0)),
    );
  // A quarantined record may belong to no domain that is known.
  const known = sum(domains.map(({ quarantined }) => quarantined));
  if (known > account.quarantined)
    found.push(`account.quarantined is ${account.quarantined}, and its domains have ${known}`);
  return found;
}

function domainProblems({ account, domains, shards }: ShardManifest, domain: string): readonly string[] {
  const entry = account.domains[domain] ?? NOTHING;
  const found: string[] = [];
  if (!domains.includes(domain))
    found.push(`account.domains has "${domain}", which the manifest does not list`);
  if (entry.read !== whereTo(entry))
    found.push(`account.domains.${domain}.read is ${entry.read}, and its parts give ${whereTo(entry)}`);

  const totals = (split: string) => {
    const own = shards.filter((shard) => shard.split === split && shard.domain === domain);
    return [sum(own.map(({ documents }) => documents)), sum(own.map(({ tokens }) => tokens))] as const;
  };
  const compare = (split: string, documents: number, tokens: number) => {
    const [shardDocuments, shardTokens] = totals(split);
    if (shardDocuments !== documents || shardTokens !== tokens)
      found.push(
        `${split} shards of ${domain} hold ${shardDocuments} documents and ${shardTokens} tokens, and its account ${documents} and ${tokens}`,
      );
  };
  compare("train", entry.kept, entry.tokens.kept);
  // The tail of a document that was cut is a record of the validation shard, and the document counts as kept.
  const tails = entry.heldOut === 0 && entry.tokens.heldOut > 0 ? 1 : 0;
  compare("validation", entry.heldOut + tails, entry.tokens.heldOut);
  if (totals("dropped")[0] > 0)
    compare("dropped", sum(Object.values(entry.dropped)), sum(Object.values(entry.tokens.dropped)));
  return found;
}

const NOTHING: DomainAccount = {
  read: 0,
  kept: 0,
  heldOut: 0,
  dropped: {},
  quarantined: 0,
  tokens: { kept: 0, heldOut: 0, dropped: {}, gap: 0 },
};

function whereTo(of: Pick<Account, "kept" | "heldOut" | "dropped" | "quarantined">): number {
  return of.kept + of.heldOut + sum(Object.values(of.dropped)) + of.quarantined;
}

function isAscending(a: readonly number[], b: readonly number[]): boolean {
  const i = a.findIndex((value, at) => value !== b[at]);
  return i >= 0 && a[i]! < b[i]!;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
