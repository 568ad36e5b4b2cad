/**
 * `headrace where`: in which batches of a run a document of the input was served.
 */
import { join } from "node:path";
import { HeadraceError } from "../index.ts";
import { command } from "./command.ts";
import { grouped, printJson, say, table } from "./display.ts";

/** Rows printed for a person. */
const SHOWN = 20;

/** The command. */
export const where = command({
  command: "where <run> <document>",
  describe: "in which batches a document of the input was served",
  flags: (args) =>
    args
      .positional("run", { type: "string", demandOption: true, describe: "run folder" })
      .positional("document", {
        type: "string",
        demandOption: true,
        describe: "SOURCE:LINE, as score tables and inspect name it",
      })
      .option("shards", { type: "string", describe: "folder of shards [the one in run.json]" })
      .option("until", { type: "number", describe: "batch to end before [the end of what is decided]" })
      .option("json", { type: "boolean", default: false, describe: "all of it as one JSON object" }),
  async run(args) {
    const samplers = await import("../samplers/index.ts");
    const { findDocument } = await import("../shards/index.ts");
    const { source, line } = documentOf(args.document);
    const shards = args.shards ?? (await samplers.readRun(args.run)).shards;
    const schedule = await samplers.readSchedule(join(args.run, "schedule.json"));
    const manifest = await samplers.readManifest(shards);
    samplers.requireShards(schedule, manifest, shards);
    const served = samplers.readServedLog(join(args.run, "served.log")).hashes;
    const places = findDocument(shards, manifest, source, line);
    const until =
      args.until ??
      (samplers.decidedEnd(schedule).batch === Number.POSITIVE_INFINITY ? served.size : undefined);
    const rows = places
      .filter(({ split, tokens }) => split === "train" && tokens > 0)
      .flatMap((place) =>
        samplers.whereServed(
          schedule,
          place,
          until,
          samplers.packedRowsHolding(schedule.header, shards, place),
        ),
      )
      .map((row) => ({ ...row, acknowledged: !row.skipped && served.has(row.batch) }));
    if (args.json) return printJson({ source, line, places, rows });
    if (places.length === 0)
      say(
        `${source}:${line} is in no shard of ${shards}: it was quarantined, dropped and not kept, or is not in the input (the score table names every document that was read)`,
      );
    for (const { split, domain, shard, position, tokens } of places)
      say(`${split}  ${domain}  ${grouped(tokens)} tokens from ${grouped(position)} of the stream, ${shard}`);
    if (rows.length > 0)
      say(
        table([
          ["batch", "position", "stage", "epoch", "row", "its tokens", ""],
          ...rows
            .slice(0, SHOWN)
            .map(({ batch, place, stage, epoch, row, tokens, skipped, acknowledged }) => [
              batch,
              skipped ? "" : place,
              stage,
              epoch,
              row,
              tokens,
              skipped ? "passed over before it" : acknowledged ? "acknowledged" : "planned",
            ]),
        ]),
      );
    if (rows.length > SHOWN) say(`and ${grouped(rows.length - SHOWN)} more; --json lists them all`);
    const acknowledged = new Set(rows.filter((row) => row.acknowledged).map(({ batch }) => batch)).size;
    const given = rows.filter(({ skipped }) => !skipped);
    const planned = new Set(given.map(({ batch }) => batch)).size - acknowledged;
    const passed = rows.length - given.length;
    say(
      `served in ${grouped(acknowledged)} batches${planned > 0 ? `, planned in ${grouped(planned)} more` : ""}${passed > 0 ? `; ${grouped(passed)} rows passed over` : ""}`,
    );
  },
});

function documentOf(text: string): { readonly source: string; readonly line: number } {
  const [, source, line] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (source === undefined || !(Number(line) >= 1))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `document is "${text}"; write SOURCE:LINE, the path under the input folder and the record from 1, such as chunk1/a.jsonl.zst:17`,
    );
  return { source, line: Number(line) };
}
