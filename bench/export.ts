/**
 * What each form of `headrace export` costs, and parquet's two writers side by side: CPU and wall seconds, bytes a token, in one run.
 *
 * usage: node bench/export.ts SHARDS [FORM...]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXPORT_FORMATS, type ExportOptions, exportShards } from "../shards/index.ts";

const [shards, ...chosen] = process.argv.slice(2);
if (shards === undefined) throw new Error("usage: node bench/export.ts SHARDS [FORM...]");
const forms: Readonly<Record<string, Pick<ExportOptions, "to" | "parquetVersion">>> = {
  ...Object.fromEntries(EXPORT_FORMATS.map((to) => [to, { to }])),
  "parquet-1": { to: "parquet", parquetVersion: 1 },
};
const folder = await mkdtemp(join(tmpdir(), "headrace-bench-"));
try {
  for (const [form, options] of Object.entries(forms)) {
    if (chosen.length > 0 && !chosen.includes(form)) continue;
    const out = join(folder, form);
    const [wall, cpu] = [performance.now(), process.cpuUsage()];
    const { tokens, bytes } = await exportShards(shards, { ...options, out });
    const used = process.cpuUsage(cpu);
    const cpuSeconds = (used.user + used.system) / 1e6;
    console.log(
      `${form.padEnd(13)} ${tokens} tokens  ${cpuSeconds.toFixed(2)} s CPU  ${((performance.now() - wall) / 1000).toFixed(2)} s  ` +
        `${(tokens / cpuSeconds / 1e6).toFixed(2)} M tokens/s of CPU  ${(bytes / tokens).toFixed(2)} bytes a token`,
    );
    await rm(out, { recursive: true });
  }
} finally {
  await rm(folder, { recursive: true });
}
