import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { openSampler, type Schedule, type ShardManifest } from "../../samplers/index.ts";
import { openStream } from "../../shards/index.ts";
import { beginRun } from "../../trainer/index.ts";
import { writeWholeFolder } from "../shards/folder.ts";
import { temporaryFolder } from "../support.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
let manifest: ShardManifest;
let schedule: Schedule;

before(async () => {
  ({ manifest } = await writeWholeFolder(shards));
  const shape = { rowTokens: 40, batchRows: 6, tokens: 40 * 6 * 10, lookahead: 1 } as const;
  ({ schedule } = await beginRun({ shards, out: join(dir, "run"), policy: "uniform", ...shape }));
});

/** Calls with the mask of every row, where each of its tokens lies in its stream, and where documents start. */
async function rows(
  mask: NonNullable<Parameters<typeof openSampler>[0]["mask"]>,
  look: (
    mask: readonly number[],
    row: { domain: string; at: readonly number[]; ids: readonly number[]; starts: readonly number[] },
  ) => void,
): Promise<void> {
  const sampler = await openSampler({ shards, schedule, mask });
  for (let k = 0; k < 10; k++) {
    const batch = await sampler.batch(k);
    for (let row = 0; row < batch.rows; row++) {
      const domain = sampler.domains[batch.domains[row]!]!;
      const total = schedule.header.domains[batch.domains[row]!]!.tokens;
      const first = batch.stretches(row)[0]!.position;
      look([...batch.lossMask(row)], {
        domain,
        at: Array.from({ length: 41 }, (_, i) => (first + i) % total),
        ids: [...batch.tokens.subarray(41 * row, 41 * row + 41)],
        starts: batch.documentStarts(row),
      });
    }
  }
  sampler.close();
}

describe("the loss mask of a row", () => {
  it("leaves out the first token alone where nothing is asked for", async () => {
    await rows({}, (mask) => assert.deepEqual(mask, [0, ...Array(40).fill(1)]));
  });

  it("leaves out each document's first token where documents are kept apart", async () => {
    let found = 0;
    await rows({ withinDocuments: true }, (mask, { starts }) => {
      found += starts.length;
      assert.deepEqual(
        mask,
        mask.map((_, i) => (i === 0 || starts.includes(i) ? 0 : 1)),
      );
    });
    assert.ok(found > 20);
  });

  it("leaves out BOS wherever it stands, and nothing where the tokenizer has none", async () => {
    const stream = openStream(shards, manifest, "train", "github");
    const ids = new Uint16Array(1);
    stream.read(5, ids);
    stream.close();
    // An id that occurs takes the part of BOS: the mask goes by the manifest.
    const sampler = await openSampler({ shards, schedule, mask: { bos: false } });
    (sampler.manifest.tokenizer as { bos: number | null }).bos = ids[0]!;
    let found = 0;
    for (let k = 0; k < 10; k++) {
      const batch = await sampler.batch(k);
      for (let row = 0; row < batch.rows; row++) {
        const tokens = batch.tokens.subarray(41 * row, 41 * row + 41);
        const mask = [...batch.lossMask(row)];
        found += mask.filter((one, i) => one === 0 && i > 0).length;
        assert.deepEqual(
          mask,
          Array.from(tokens, (id, i) => (i === 0 || id === ids[0] ? 0 : 1)),
        );
      }
    }
    assert.ok(found > 0);
    sampler.close();
  });

  it("leaves out masked ranges, whichever rows they fall into", async () => {
    const ranges = {
      github: [
        [0, 10],
        [10, 11],
        [300, 700],
      ],
      book: [[1, 2]],
    } as const;
    let found = 0;
    await rows({ ranges }, (mask, { domain, at }) => {
      const masked = (position: number) =>
        ranges[domain as keyof typeof ranges].some(([from, until]) => position >= from && position < until);
      found += at.filter(masked).length;
      assert.deepEqual(
        mask,
        at.map((position, i) => (i === 0 || masked(position) ? 0 : 1)),
      );
    });
    assert.ok(found > 100);
  });

  it("refuses ranges of a domain that is not there, and ranges that overlap or are empty", async () => {
    await assert.rejects(openSampler({ shards, schedule, mask: { ranges: { web: [[0, 1]] } } }), {
      code: "ERR_DOMAIN",
      message: 'masked ranges name domain "web", the schedule has github, book',
    });
    for (const list of [
      [
        [0, 5],
        [4, 6],
      ],
      [[3, 3]],
      [[-1, 3]],
    ] as const)
      await assert.rejects(openSampler({ shards, schedule, mask: { ranges: { book: list } } }), {
        code: "ERR_ARGUMENT",
        message: /ranges are not empty, ascending and apart/,
      });
  });
});
