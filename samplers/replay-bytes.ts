/**
 * The bytes behind a run: the manifest that its schedule is bound to, and the SHA-256 of every train shard that its batches came from.
 */
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { readManifest, type ShardManifest } from "../shards/manifest.ts";
import { packFolder, packProblems, readPack } from "../shards/pack/plan.ts";
import type { ReplayDifference } from "./replay-difference.ts";
import type { Schedule } from "./schedule.ts";

/** Checks the manifest and every train shard of the schedule's domains. Differences are added to the list. Throws ERR_INPUT without a manifest. */
export async function checkBytes(
  folder: string,
  { header }: Schedule,
  differences: ReplayDifference[],
  onProgress?: (done: number, total: number) => void,
): Promise<{ readonly files: number; readonly bytes: number }> {
  let manifest: ShardManifest;
  try {
    manifest = await readManifest(folder);
  } catch (error) {
    if (!(error instanceof HeadraceError) || error.code !== "ERR_MANIFEST") throw error;
    differences.push({
      what: "manifest",
      where: join(folder, "manifest.json"),
      expected: `fingerprint ${header.shards}`,
      seen: error.message,
    });
    return { files: 0, bytes: 0 };
  }
  if (manifest.fingerprint !== header.shards)
    differences.push({
      what: "manifest",
      where: join(folder, "manifest.json"),
      expected: `fingerprint ${header.shards}`,
      seen: `fingerprint ${manifest.fingerprint}: these are other shards`,
    });
  const used = new Set<string>(header.domains.map(({ name }) => name));
  const files = manifest.shards
    .filter(({ split, domain }) => split === "train" && used.has(domain))
    .flatMap((shard) => (shard.foreign ? [shard, shard.foreign.offsets] : [shard]));
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  let bytes = 0;
  for (const shard of files) {
    const path = join(folder, shard.path);
    try {
      const { size } = await stat(path);
      const seen = await hashFile(path, (read) => {
        bytes += read;
        onProgress?.(bytes, total);
      });
      if (size !== shard.bytes)
        differences.push({
          what: "shard",
          where: path,
          expected: `${shard.bytes} bytes`,
          seen: `${size} bytes`,
        });
      if (seen !== shard.sha256)
        differences.push({
          what: "shard",
          where: path,
          expected: `sha256 ${shard.sha256}`,
          seen: `sha256 ${seen}`,
        });
    } catch (error) {
      differences.push({
        what: "shard",
        where: path,
        expected: `sha256 ${shard.sha256}`,
        seen: messageOf(error),
      });
    }
  }
  if (header.pack !== undefined) await checkPack(folder, header.pack, header.shards, used, differences);
  return { files: files.length, bytes };
}

/** The pack plan that the schedule names, and its files. */
async function checkPack(
  folder: string,
  hash: string,
  fingerprint: string,
  domains: ReadonlySet<string>,
  differences: ReplayDifference[],
): Promise<void> {
  const where = packFolder(folder, hash);
  try {
    const plan = await readPack(folder, hash, fingerprint);
    for (const { path, expected, seen } of await packProblems(where, plan, domains))
      differences.push({ what: "pack", where: path, expected, seen });
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    differences.push({ what: "pack", where, expected: `pack plan ${hash}`, seen: error.message });
  }
}

async function hashFile(path: string, onRead: (bytes: number) => void): Promise<string> {
  const file = await open(path);
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(4 << 20);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, bytesRead));
      onRead(bytesRead);
    }
  } finally {
    await file.close();
  }
}
