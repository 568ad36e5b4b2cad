import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import fc from "fast-check";
import {
  listPacks,
  openFilePool,
  openPieces,
  type PackOptions,
  packProblems,
  packShards,
  readPack,
  verifyShards,
} from "../../shards/index.ts";
import { fitPieces } from "../../shards/pack/fit.ts";
import { temporaryFolder } from "../support.ts";
import { type WholeFolder, writeWholeFolder } from "./folder.ts";

describe("best-fit decreasing", () => {
  /** The rule in its plainest form: the longest piece left, into the row with the least room that takes it. Rooms of the rows, ascending. */
  function rooms(lengths: readonly number[], width: number): number[] {
    const left: number[] = [];
    for (const length of lengths.toSorted((a, b) => b - a)) {
      const fitting = left.filter((room) => room >= length);
      const row = fitting.length === 0 ? left.push(width) - 1 : left.indexOf(Math.min(...fitting));
      left[row]! -= length;
    }
    return left.sort((a, b) => a - b);
  }

  it("fills the rows that the rule fills, each piece once, rows and pieces in the order of the stream", () => {
    const cases = fc.integer({ min: 1, max: 200 }).chain((width) =>
      fc.record({
        width: fc.constant(width),
        lengths: fc.array(fc.integer({ min: 1, max: width }), { maxLength: 120, size: "max" }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ width, lengths }) => {
        const { edges, pieces } = fitPieces(Uint32Array.from(lengths), width);
        const rows = Array.from({ length: edges.length - 1 }, (_, row) => [
          ...pieces.subarray(edges[row], edges[row + 1]),
        ]);
        assert.deepEqual(
          rows.flat().sort((a, b) => a - b),
          [...lengths.keys()],
        );
        const sums = rows.map((row) => row.reduce((sum, piece) => sum + lengths[piece]!, 0));
        assert.deepEqual(
          sums.map((sum) => width - sum).sort((a, b) => a - b),
          rooms(lengths, width),
        );
        for (const row of rows)
          assert.deepEqual(
            row,
            row.toSorted((a, b) => a - b),
          );
        const firsts = rows.map((row) => row[0]!);
        assert.deepEqual(
          firsts,
          firsts.toSorted((a, b) => a - b),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe("a pack plan", () => {
  const dir = temporaryFolder();
  let whole: WholeFolder;
  before(async () => {
    whole = await writeWholeFolder(dir);
  });

  /** Where each train document of a domain lies in its stream. */
  function documentsOf(domain: string): readonly { readonly start: number; readonly tokens: number }[] {
    let end = 0;
    return whole.streams[`train/${domain}`]!.map(({ tokens }) => {
      end += tokens.length;
      return { start: end - tokens.length, tokens: tokens.length };
    });
  }

  /** The pieces of every row of a domain, as [position, tokens]. */
  async function rowsOf(domain: string, options: PackOptions) {
    const { plan, folder, hash } = await packShards(dir, options);
    const files = openFilePool();
    const pieces = openPieces(folder, domain, files);
    const { rows } = plan.domains.find(({ name }) => name === domain)!;
    const list = Array.from({ length: rows }, (_, row) =>
      pieces.of(row).map(({ position, tokens }) => [position, tokens] as const),
    );
    files.close();
    return { list, plan, folder, hash };
  }

  for (const groupPieces of [undefined, 7])
    it(`holds every token once, pieces inside documents, in groups of ${groupPieces ?? "all"}`, async () => {
      for (const domain of whole.manifest.domains) {
        const { list } = await rowsOf(domain, { rowTokens: 24, ...(groupPieces && { groupPieces }) });
        const documents = documentsOf(domain);
        const seen = new Map<number, number>();
        for (const row of list) {
          assert.ok(row.reduce((sum, [, tokens]) => sum + tokens, 0) <= 24 && row.length > 0);
          for (const [position, tokens] of row) {
            const document = documents.findLast(({ start }) => start <= position)!;
            assert.ok(position + tokens <= document.start + document.tokens, "a piece leaves its document");
            assert.equal((position - document.start) % 24, 0);
            for (let i = 0; i < tokens; i++) seen.set(position + i, (seen.get(position + i) ?? 0) + 1);
          }
        }
        const total = documents.reduce((sum, { tokens }) => sum + tokens, 0);
        assert.ok(total > 50);
        assert.deepEqual([...new Set(seen.values())], [1]);
        assert.equal(seen.size, total);
      }
    });

  it("with a lookahead has every token but a document's first once behind another of its document", async () => {
    const { list, plan } = await rowsOf("github", { rowTokens: 24, lookahead: 1 });
    const documents = documentsOf("github");
    const targets: number[] = [];
    for (const row of list) {
      assert.ok(row.reduce((sum, [, tokens]) => sum + tokens, 0) <= 25);
      for (const [position, tokens] of row) for (let i = 1; i < tokens; i++) targets.push(position + i);
    }
    const expected = documents.flatMap(({ start, tokens }) =>
      Array.from({ length: Math.max(0, tokens - 1) }, (_, i) => start + 1 + i),
    );
    assert.deepEqual(
      targets.sort((a, b) => a - b),
      expected,
    );
    const github = plan.domains.find(({ name }) => name === "github")!;
    assert.equal(github.cut, documents.filter(({ tokens }) => tokens > 25).length);
    assert.equal(github.documents, documents.filter(({ tokens }) => tokens > 0).length);
  });

  it("is the same when it is made again, and then left as it is; other options are another plan", async () => {
    const first = await packShards(dir, { rowTokens: 32 });
    const again = await packShards(dir, { rowTokens: 32 });
    assert.deepEqual(
      [first.existed, again.existed, again.hash, again.folder],
      [false, true, first.hash, first.folder],
    );
    const other = await packShards(dir, { rowTokens: 32, padding: 3 });
    assert.notEqual(other.hash, first.hash);
    assert.equal(first.plan.padding, whole.manifest.tokenizer.bos);
    const listed = await listPacks(dir, whole.manifest.fingerprint);
    assert.deepEqual(
      listed.filter(({ plan }) => plan.rowTokens === 32).map(({ hash }) => hash),
      [first.hash, other.hash].sort(),
    );
    assert.deepEqual(
      readdirSync(join(dir, "packs")).filter((name) => name.startsWith(".")),
      [],
    );
    assert.deepEqual((await verifyShards(dir)).problems, []);
  });

  it("counts what is padding, and what concatenation would have cut", async () => {
    const { domains } = await packShards(dir, { rowTokens: 24 });
    const github = domains.find(({ name }) => name === "github")!;
    const documents = documentsOf("github");
    assert.equal(github.paddingTokens, 24 * github.rows - github.tokens);
    assert.equal(
      github.concatCut,
      documents.filter(
        ({ start, tokens }) => tokens > 0 && Math.floor(start / 24) < Math.floor((start + tokens - 1) / 24),
      ).length,
    );
    assert.ok(github.cut < github.concatCut);
  });

  it("is refused where it is another, of other shards, or absent; a changed file is named", async () => {
    const { hash, folder, plan } = await packShards(dir, { rowTokens: 40 });
    assert.deepEqual(await readPack(dir, hash, whole.manifest.fingerprint), plan);
    await assert.rejects(readPack(dir, hash, "00".repeat(32)), {
      code: "ERR_MANIFEST",
      message: /was made for shards .* pack these shards/,
    });
    await assert.rejects(readPack(dir, "00".repeat(32), whole.manifest.fingerprint), {
      code: "ERR_INPUT",
      message: /headrace pack/,
    });
    const path = join(folder, "github.pieces");
    const bytes = readFileSync(path);
    bytes[9]! ^= 1;
    writeFileSync(path, bytes);
    const all = new Set(whole.manifest.domains);
    assert.deepEqual(
      (await packProblems(folder, plan, all)).map((problem) => problem.path),
      [path],
    );
    rmSync(path);
    assert.match((await packProblems(folder, plan, all))[0]!.seen, /ENOENT/);
    writeFileSync(join(folder, "pack.json"), JSON.stringify({ ...plan, padding: plan.padding + 1 }));
    await assert.rejects(readPack(dir, hash, whole.manifest.fingerprint), {
      code: "ERR_MANIFEST",
      message: /has hash .* the schedule names/,
    });
    rmSync(folder, { recursive: true });
    assert.ok(!existsSync(folder));
  });

  it("refuses rows, groups and padding out of range", async () => {
    await assert.rejects(packShards(dir, { rowTokens: 2 ** 20 }), {
      code: "ERR_ARGUMENT",
      message: "the row is 1048576; it is a whole number of tokens from 1 to 1048575",
    });
    await assert.rejects(packShards(dir, { rowTokens: 8, groupPieces: 0 }), { code: "ERR_ARGUMENT" });
    await assert.rejects(packShards(dir, { rowTokens: 8, padding: 1e9 }), {
      code: "ERR_ARGUMENT",
      message: /the padding id is 1000000000; it is a whole number below the vocabulary's/,
    });
  });
});
