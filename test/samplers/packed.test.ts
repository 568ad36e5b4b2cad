import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import {
  choosePacking,
  openPlan,
  openSampler,
  packedRowsHolding,
  readManifest,
  readSchedule,
  type Schedule,
  servedHash,
  servedKeys,
  verifyReplay,
  whereServed,
} from "../../samplers/index.ts";
import { openStream, type PackReport, packShards } from "../../shards/index.ts";
import { beginRun, type RunOptions } from "../../trainer/index.ts";
import { writeWholeFolder } from "../shards/folder.ts";
import { temporaryFolder } from "../support.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
const PADDING = 9;
let pack: PackReport;
let schedule: Schedule;

const options: RunOptions = {
  shards,
  out: join(dir, "run"),
  policy: '{"github": 0.6, "book": 0.4}',
  tokens: 24 * 5 * 40,
  rowTokens: 24,
  batchRows: 5,
  packing: "packed",
  lookahead: 1,
};

before(async () => {
  await writeWholeFolder(shards);
  pack = await packShards(shards, { rowTokens: 24, lookahead: 1, padding: PADDING });
  await packShards(shards, { rowTokens: 24, padding: PADDING });
  schedule = (await beginRun(options)).schedule;
});

describe("packed rows", () => {
  it("are addressed by number, as many an epoch as the plan has, each once", async () => {
    assert.equal(schedule.header.pack, pack.hash);
    assert.deepEqual(
      schedule.header.domains.map(({ name, rows }) => [name, rows]),
      pack.plan.domains.map(({ name, rows }) => [name, rows]),
    );
    const plan = openPlan(schedule);
    const seen = new Map<string, number>();
    for (let k = 0; k < 40; k++) {
      const { domains, epochs, rows, starts } = plan.batch(k);
      assert.deepEqual([...starts], [...rows]);
      for (const [i, domain] of domains.entries()) {
        const row = `${domain} ${epochs[i]} ${rows[i]}`;
        seen.set(row, (seen.get(row) ?? 0) + 1);
        assert.ok(rows[i]! < schedule.header.domains[domain]!.rows!);
      }
    }
    assert.equal(seen.size, 200);
    const books = schedule.header.domains.findIndex(({ name }) => name === "book");
    for (let row = 0; row < schedule.header.domains[books]!.rows!; row++)
      assert.ok(seen.has(`${books} 0 ${row}`) && seen.has(`${books} 1 ${row}`), "an epoch lacks a row");
  });

  it("hold the documents that the plan puts there, then padding; each starts anew", async () => {
    const manifest = await readManifest(shards);
    const sampler = await openSampler({ shards, schedule });
    const streams = schedule.header.domains.map(({ name }) => openStream(shards, manifest, "train", name));
    let padded = 0;
    for (let k = 0; k < 40; k++) {
      const batch = await sampler.batch(k);
      assert.equal(batch.served, servedHash(servedKeys(sampler.domains), openPlan(schedule).batch(k)));
      for (let row = 0; row < batch.rows; row++) {
        const stretches = batch.stretches(row);
        const expected: number[] = [];
        const positions: number[] = [];
        const starts: number[] = [];
        for (const { position, tokens } of stretches) {
          starts.push(expected.length);
          const ids = new Uint16Array(tokens);
          streams[batch.domains[row]!]!.read(position, ids);
          expected.push(...ids);
          positions.push(...ids.keys());
        }
        const filled = expected.length;
        padded += 25 - filled;
        while (expected.length < 25) {
          positions.push(expected.length - filled);
          expected.push(PADDING);
        }
        assert.deepEqual([...batch.tokens.subarray(25 * row, 25 * row + 25)], expected);
        assert.deepEqual(batch.documentStarts(row), starts);
        assert.deepEqual(batch.boundaries(row), [...starts, ...(filled < 25 ? [filled] : []), 25]);
        assert.deepEqual([...batch.positionIds(row)], positions);
      }
    }
    assert.ok(padded > 0, "no row was padded, so the test says nothing about it");
    sampler.close();
    for (const stream of streams) stream.close();
  });

  it("are found again from a document: where it was served is what a walk finds", async () => {
    const sampler = await openSampler({ shards, schedule });
    const github = schedule.header.domains.findIndex(({ name }) => name === "github");
    for (const [position, tokens] of [
      [0, 1],
      [100, 60],
      [700, 3],
    ] as const) {
      const stretch = { domain: "github", position, tokens };
      const holding = packedRowsHolding(schedule.header, shards, stretch);
      const found = whereServed(schedule, stretch, undefined, holding);
      const walked = [];
      for (let k = 0; k < 40; k++) {
        const batch = await sampler.batch(k);
        const { stage, domains, epochs, rowNumbers } = batch;
        for (const [place, row] of rowNumbers.entries()) {
          if (domains[place] !== github) continue;
          const mine = batch.stretches(place).flatMap((piece) => {
            const places = Array.from({ length: piece.tokens }, (_, i) => piece.position + i);
            return places.filter((at) => at >= position && at < position + tokens);
          });
          if (mine.length > 0)
            walked.push({
              batch: k,
              skipped: false,
              place,
              stage,
              epoch: epochs[place]!,
              row,
              tokens: mine.length,
            });
        }
      }
      assert.deepEqual(found, walked);
      assert.ok(found.length > 0);
    }
    sampler.close();
    assert.throws(() => whereServed(schedule, { domain: "github", position: 0, tokens: 1 }), {
      code: "ERR_ARGUMENT",
      message: /the rows of the run are packed/,
    });
  });

  it("are proved by a replay, which names a changed file of the plan", async () => {
    assert.deepEqual((await verifyReplay(options.out, shards)).differences, []);
    const path = join(pack.folder, "github.rows");
    const bytes = readFileSync(path);
    const damaged = Buffer.from(bytes);
    damaged[4]! ^= 1;
    writeFileSync(path, damaged);
    const { differences } = await verifyReplay(options.out, shards);
    assert.deepEqual(
      differences.map(({ what, where }) => [what, where]),
      [["pack", path]],
    );
    writeFileSync(path, bytes);
  });

  it("are asked for by length, and by the plan's hash where there are several", async () => {
    const manifest = await readManifest(shards);
    const { domains } = schedule.header;
    const row = { rowTokens: 24, lookahead: 1 } as const;
    const plain = domains.map(({ name, tokens }) => ({ name, tokens }));
    assert.deepEqual(await choosePacking("concat", shards, manifest, plain, row), {
      packing: "concat",
      domains: plain,
    });
    await assert.rejects(choosePacking("packed", shards, manifest, plain, { ...row, rowTokens: 99 }), {
      code: "ERR_INPUT",
      message:
        /no such pack plan for rows of 99 tokens and one more; make it with "headrace pack .* --lookahead 1"/,
    });
    const other = await packShards(shards, { ...row, padding: PADDING + 1 });
    await assert.rejects(choosePacking("packed", shards, manifest, plain, row), {
      code: "ERR_ARGUMENT",
      message: /fits 2 pack plans/,
    });
    const chosen = await choosePacking(other.hash.slice(0, 16), shards, manifest, plain, row);
    assert.equal(chosen.pack, other.hash);
  });

  it("are refused in a header that names no plan, or counts no rows", async () => {
    const path = join(options.out, "schedule.json");
    const text = readFileSync(path, "utf8");
    for (const [edit, message] of [
      [
        (header: Record<string, unknown>) => delete header["pack"],
        /header\.pack is absent and .*packing is packed/,
      ],
      [
        (header: Record<string, unknown>) => {
          header["packing"] = "concat";
        },
        /packing is concat; packed rows, and those alone, name their pack plan/,
      ],
    ] as const) {
      const changed = JSON.parse(text);
      edit(changed.header);
      writeFileSync(path, JSON.stringify(changed));
      await assert.rejects(readSchedule(path), { code: "ERR_PARSE", message });
    }
    writeFileSync(path, text);
  });
});
