import assert from "node:assert/strict";
import { appendFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  exportShards,
  findDocument,
  importTokens,
  openStream,
  packShards,
  readManifest,
  verifyShards,
} from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { writeWholeFolder } from "./folder.ts";
import { documentsIn, megatronOf, nanosetOf, readFiles, wholeDocuments, writeFiles } from "./foreign.ts";

const folder = temporaryFolder();
const tokenizer = { name: "made up", sha256: "cd".repeat(32), vocabularySize: 65_536, bos: 1, eos: 2 };
let made = 0;

/** Writes files to a new folder and says where. */
function placed(files: Readonly<Record<string, Uint8Array>>): string {
  const dir = join(folder, String(made++));
  writeFiles(dir, files);
  return dir;
}

const ids = fc.array(fc.nat(65_535), { maxLength: 30 });

for (const tokenType of ["uint16", "int32"] as const)
  test(`${tokenType}: what is exported and imported has the same documents in the same order, in every split`, async () => {
    const dir = join(folder, `round-${tokenType}`);
    const { manifest, streams } = await writeWholeFolder(join(dir, "shards"), tokenType);
    for (const to of ["megatron", "nanoset"] as const) {
      for (const split of ["train", "validation"] as const)
        await exportShards(join(dir, "shards"), { to, split, out: join(dir, to, split) });
      const out = join(dir, `${to}-back`);
      // The ids of the int32 folder go beyond its tokenizer's vocabulary, which an import would refuse.
      const named =
        tokenType === "int32" ? { tokenizer: { ...manifest.tokenizer, vocabularySize: 2 ** 31 } } : {};
      const report = await importTokens({
        inputs: ["train", "validation"].map((split) => join(dir, to, split)),
        out,
        shardBytes: 1000,
        ...named,
      });
      assert.deepEqual((await verifyShards(out)).problems, []);
      const back = await documentsIn(out);
      for (const [name, documents] of Object.entries(streams)) {
        if (name.startsWith("dropped/")) continue;
        assert.deepEqual(
          (back[name] ?? []).map(({ tokens }) => tokens),
          documents.map(({ tokens }) => tokens),
          name,
        );
      }
      const { tokenType: type, tokenizer: found, domains } = await readManifest(out);
      assert.deepEqual(
        [type, found.sha256, domains],
        ["int32", manifest.tokenizer.sha256, ["github", "book"]],
      );
      assert.equal(
        report.tokens,
        Object.entries(streams)
          .filter(([name]) => !name.startsWith("dropped/"))
          .flatMap(([, list]) => list)
          .reduce((sum, one) => sum + one.tokens.length, 0),
      );
    }
  });

test("documents, cut into sequences and files in any way, come in whole, and validation takes them by their hash or from a tail", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(ids, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 60 }),
      fc.nat(200),
      fc.integer({ min: 60, max: 400 }),
      async (documents, validationTokens, shardBytes) => {
        const dir = placed({
          ...megatronOf("m/book", documents),
          ...nanosetOf(
            "n/book.ds",
            documents.map((one) => one.flat()),
          ),
        });
        const folders = [join(dir, "a"), join(dir, "b")];
        const common = { tokenizer, validationTokens, validationRow: 4, shardBytes };
        await importTokens({ ...common, inputs: [join(dir, "m/book")], out: folders[0]! });
        await importTokens({ ...common, inputs: [join(dir, "n/book.ds")], out: folders[1]! });
        for (const out of folders) {
          assert.deepEqual((await verifyShards(out)).problems, []);
          assert.deepEqual(
            await wholeDocuments(out, "book"),
            documents.map((one) => one.flat()),
          );
          const { heldOut } = (await readManifest(out)).account.domains["book"]!.tokens;
          const most = Math.min(validationTokens, documents.flat(2).length / 20);
          assert.ok(heldOut <= most, `${heldOut} held out, and ${most} is the most`);
        }
        const [a, b] = [await documentsIn(folders[0]!), await documentsIn(folders[1]!)];
        for (const stream of ["train/book", "validation/book"])
          assert.deepEqual(
            a[stream]?.map(({ tokens }) => tokens),
            b[stream]?.map(({ tokens }) => tokens),
          );
      },
    ),
    { numRuns: 8 },
  );
});

test("the same inputs and options give the same bytes wherever they lie, and other inputs another key", async () => {
  const documents = [[[1, 2, 3]], [[4], [5, 6]]];
  const keys: string[] = [];
  const trees = [];
  for (const list of [documents, documents, documents.slice(1)]) {
    const dir = placed(megatronOf("book", list));
    await importTokens({ inputs: [join(dir, "book")], out: join(dir, "out"), tokenizer });
    trees.push(readFiles(join(dir, "out")));
    keys.push((await readManifest(join(dir, "out"))).key);
  }
  assert.deepEqual(trees[0], trees[1]);
  assert.notEqual(keys[0], keys[2]);
});

test("every type of Megatron that holds ids comes in, and ids that do not fit the vocabulary are refused by place", async () => {
  const documents = [[[1, 2], [3]], [[127, 0, 5]]];
  const types = [
    [1, (list: readonly number[]) => Uint8Array.from(list)],
    [3, (list: readonly number[]) => Int16Array.from(list)],
    [4, (list: readonly number[]) => Int32Array.from(list)],
    [5, (list: readonly number[]) => BigInt64Array.from(list, BigInt)],
    [8, (list: readonly number[]) => Uint16Array.from(list)],
  ] as const;
  for (const vocabularySize of [128, 100_000])
    for (const [code, array] of types) {
      const dir = placed(megatronOf("book", documents, { code, array }));
      const options = { inputs: [join(dir, "book")], out: join(dir, "out") };
      await importTokens({ ...options, tokenizer: { ...tokenizer, vocabularySize } });
      assert.deepEqual(
        await wholeDocuments(options.out, "book"),
        documents.map((one) => one.flat()),
      );
      await assert.rejects(
        importTokens({
          ...options,
          out: join(dir, "small"),
          tokenizer: { ...tokenizer, vocabularySize: 127 },
        }),
        {
          code: "ERR_INPUT",
          message:
            "document 2 of book.idx has token 127, and the tokenizer has ids from 0 to 126; name the tokenizer that made it",
        },
      );
      assert.deepEqual(readdirSync(dir).sort(), ["book.bin", "book.idx", "out"]);
    }
  const far = placed(megatronOf("book", [[[70_000]]], { code: 4, array: (list) => Int32Array.from(list) }));
  await assert.rejects(importTokens({ inputs: [join(far, "book")], out: join(far, "out"), tokenizer }), {
    code: "ERR_INPUT",
    message: /token 0 of .*book\.bin is 70000, and ids go from 0 to 65535 here/,
  });
});

test("BOS and EOS are said to be there when every document has them", async () => {
  for (const [documents, addBos, addEos] of [
    [[[[1, 5, 2]], [[1, 2]]], true, true],
    [[[[1, 5]], [[1, 2]]], true, false],
    [[[[1, 2]], [[]]], false, false],
  ] as const) {
    const dir = placed(megatronOf("book", documents));
    await importTokens({ inputs: [join(dir, "book")], out: join(dir, "out"), tokenizer });
    const found = (await readManifest(join(dir, "out"))).tokenizer;
    assert.deepEqual([found.addBos, found.addEos], [addBos, addEos]);
  }
});

test("a domain is named, or is the name of the file or folder; validation is said; a build's domain order is kept", async () => {
  const dir = placed({
    ...megatronOf("web_text_document", [[[5]]]),
    ...megatronOf("held", [[[6]], [[7]]]),
    ...nanosetOf("github/a.ds", [[8]]),
    ...nanosetOf("github/b/c.ds", [[9], []], 4),
  });
  const report = await importTokens({
    inputs: [
      join(dir, "web_text_document"),
      join(dir, "github"),
      `validation/github=${join(dir, "held.idx")}`,
    ],
    out: join(dir, "out"),
    tokenizer,
    validationTokens: 100,
  });
  assert.deepEqual(report.domains, [
    { name: "github", documents: 5, train: 2, validation: 2 },
    { name: "web", documents: 1, train: 1, validation: 0 },
  ]);
  assert.deepEqual(await documentsIn(join(dir, "out")), {
    "train/github": [
      { source: "github/a.ds", line: 1, tokens: [8] },
      { source: "github/b/c.ds", line: 1, tokens: [9] },
      { source: "github/b/c.ds", line: 2, tokens: [] },
    ],
    "train/web": [{ source: "web_text_document.idx", line: 1, tokens: [5] }],
    "validation/github": [
      { source: "held.idx", line: 1, tokens: [6] },
      { source: "held.idx", line: 2, tokens: [7] },
    ],
  });
  assert.deepEqual((await verifyShards(join(dir, "out"))).problems, []);
});

test("broken files are refused by name, and nothing is written", async () => {
  const megatron = megatronOf("book", [[[1, 2]], [[3], [4, 5]]]);
  const nanoset = nanosetOf("book.ds", [[1, 2], [3]]);
  const at = (bytes: Uint8Array, position: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy[position] = value;
    return copy;
  };
  const { "book.idx": idx, "book.bin": bin } = megatron as Record<"book.idx" | "book.bin", Buffer>;
  const { "book.ds": ds, "book.ds.index": ends } = nanoset as Record<"book.ds" | "book.ds.index", Buffer>;
  const cases: readonly (readonly [string, Record<string, Uint8Array>, RegExp])[] = [
    ["book", { "book.idx": idx }, /cannot read .*book\.bin: .*ENOENT/],
    [
      "book",
      { "book.idx": idx.subarray(0, 20), "book.bin": bin },
      /book\.idx: it has 20 bytes, fewer than any index/,
    ],
    [
      "book",
      { "book.idx": idx.subarray(0, -8), "book.bin": bin },
      /book\.idx: it has 86 bytes, and 3 sequences in 2 documents need 94/,
    ],
    [
      "book",
      { "book.idx": Buffer.concat([idx, Buffer.alloc(3)]), "book.bin": bin },
      /it has sequence modes, so the data is multimodal/,
    ],
    ["book", { "book.idx": at(idx, 0, 0), "book.bin": bin }, /it does not begin with MMIDIDX/],
    ["book", { "book.idx": at(idx, 9, 2), "book.bin": bin }, /its version is 2, and 1 is known/],
    ["book", { "book.idx": at(idx, 17, 6), "book.bin": bin }, /its type code is 6, which holds no token ids/],
    [
      "book",
      { "book.idx": at(idx, 46, 2), "book.bin": bin },
      /sequence 0 has 2 tokens at byte 2, and the one before it ends at 0/,
    ],
    [
      "book",
      { "book.idx": idx, "book.bin": bin.subarray(2) },
      /book\.bin: it has 8 bytes, and its index says 10/,
    ],
    ["book", { "book.idx": at(idx, 78, 9), "book.bin": bin }, /document boundary 2 is sequence 3, after 9/],
    ["book", { "book.idx": at(idx, 86, 2), "book.bin": bin }, /its documents end at sequence 2 of 3/],
    ["book.ds", { "book.ds": ds }, /cannot read .*book\.ds\.index/],
    [
      "book.ds",
      { "book.ds": ds, "book.ds.index": ends.subarray(1) },
      /book\.ds\.index: it has 15 bytes, no multiple of 8/,
    ],
    [
      "book.ds",
      { "book.ds": ds, "book.ds.index": at(ends, 8, 1) },
      /document 1 ends at token 1, and the one before it at 2/,
    ],
    [
      "book.ds",
      { "book.ds": ds.subarray(1), "book.ds.index": ends },
      /book\.ds: it has 5 bytes, and its index says 3 tokens \(of 2 or 4 bytes\)/,
    ],
    [
      "book.ds",
      { "book.ds": ds, "book.ds.index": ends, "book.ds.metadata": Buffer.from("x|4\n3\n3 T") },
      /it has 6 bytes, and its index says 3 tokens of 4 bytes/,
    ],
    ["nothing", {}, /nothing is no \.ds file, no \.bin with its \.idx, and no folder of them/],
  ];
  for (const [name, files, message] of cases) {
    const dir = placed({ ...files, "keep.txt": new Uint8Array(1) });
    await assert.rejects(
      importTokens({ inputs: [`book=${join(dir, name)}`], out: join(dir, "out"), tokenizer }),
      { code: "ERR_INPUT", message },
      String(message),
    );
    assert.deepEqual(readdirSync(dir).sort(), [...Object.keys(files), "keep.txt"].sort());
  }
});

test("the tokenizer is that of the export, or must be named, and cannot contradict it; names are given once", async () => {
  const dir = placed(megatronOf("book", [[[1, 2]]]));
  const book = join(dir, "book");
  const [shards, exported, out] = ["shards", "exported", "out"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await assert.rejects(importTokens({ inputs: [book], out }), {
    code: "ERR_TOKENIZER",
    message: "files of tokens do not say which tokenizer made them; name it with --tokenizer",
  });
  await importTokens({ inputs: [book], out: shards, tokenizer });
  await exportShards(shards, { to: "nanoset", out: exported });
  const other = { ...tokenizer, name: "another", sha256: "ab".repeat(32) };
  await assert.rejects(importTokens({ inputs: [exported], out, tokenizer: other }), {
    code: "ERR_TOKENIZER",
    message:
      "the export was made with tokenizer made up (cdcdcdcdcdcd…), and another (abababababab…) was named; leave --tokenizer out",
  });
  await assert.rejects(importTokens({ inputs: [book, `book=${book}.bin`], out, tokenizer }), {
    code: "ERR_ARGUMENT",
    message: /two inputs would be called train\/book: book\.idx/,
  });
  await exportShards(shards, { to: "jsonl", out: join(dir, "lines") });
  await assert.rejects(importTokens({ inputs: [join(dir, "lines")], out }), {
    code: "ERR_INPUT",
    message: /lines is an export to jsonl, and only megatron and nanoset can be taken in again/,
  });
});

test("a reference has the documents, the stream and the boundaries of a copy, for any documents, and writes no token", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(ids, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 40 }),
      fc.array(ids, { maxLength: 10 }),
      async (documents, others) => {
        const dir = placed({ ...megatronOf("book", documents), ...nanosetOf("more.ds", others) });
        const inputs = ["book=book", "book=more.ds", "validation/book=more.ds"].map((spec) =>
          spec.replace("=", `=${dir}/`),
        );
        const [copy, reference] = [join(dir, "copy"), join(dir, "reference")];
        await importTokens({ inputs, out: copy, tokenizer });
        const report = await importTokens({ inputs, out: reference, tokenizer, reference: true });
        assert.deepEqual((await verifyShards(reference)).problems, []);
        assert.deepEqual(await documentsIn(reference), await documentsIn(copy));
        const manifests = await Promise.all([copy, reference].map(readManifest));
        assert.equal(manifests[1]!.format, "headrace-shards/2");
        assert.deepEqual(manifests[0]!.account, manifests[1]!.account);
        const [a, b] = manifests.map((manifest, i) =>
          openStream([copy, reference][i]!, manifest, "train", "book"),
        );
        assert.equal(b!.tokens, a!.tokens);
        assert.equal(report.tokens, a!.tokens + others.flat().length);
        if (a!.tokens > 0)
          for (const from of [0, Math.floor(a!.tokens / 2)]) {
            const rows = [a!, b!].map((stream) => {
              const row = new Int32Array(a!.tokens + 3);
              stream.read(from, row);
              return [...row, ...stream.documentBoundaries(from, row.length)];
            });
            assert.deepEqual(rows[1], rows[0]);
          }
        for (const stream of [a!, b!]) stream.close();
        const packs = await Promise.all([copy, reference].map((to) => packShards(to, { rowTokens: 5 })));
        assert.deepEqual(packs[1]!.plan.domains, packs[0]!.plan.domains);
        for (const line of [1, documents.length, documents.length + 1]) {
          const places = [copy, reference].map((folder, i) =>
            findDocument(folder, manifests[i]!, "book.idx", line).map(({ shard, ...place }) => place),
          );
          assert.deepEqual(places[1], places[0]);
        }
        await exportShards(copy, { to: "megatron", out: join(dir, "c") });
        await exportShards(reference, { to: "megatron", out: join(dir, "r") });
        for (const name of ["book.bin", "book.idx"])
          assert.deepEqual(readFiles(join(dir, "r"))[name], readFiles(join(dir, "c"))[name]);
      },
    ),
    { numRuns: 8 },
  );
});

test("a referred file that is changed, cut or gone is found, and offsets that are", async () => {
  const damage: readonly (readonly [(dir: string) => void, RegExp])[] = [
    [
      (dir) => appendFileSync(join(dir, "book.bin"), "xy"),
      /00000\.tokens has 10 bytes, and the manifest says 8/,
    ],
    [(dir) => writeFileSync(join(dir, "book.bin"), "abcdefgh"), /00000\.tokens has sha256 9c56cc51/],
    [(dir) => rmSync(join(dir, "book.bin")), /00000\.tokens refers to .*book\.bin, which is missing/],
    [
      (dir) => writeFileSync(join(dir, "out/train/book/00000.offsets"), "0123456789abcdef"),
      /its offsets train\/book\/00000\.offsets have 16 bytes and sha256 9f9f5111/,
    ],
    [(dir) => rmSync(join(dir, "out/train/book/00000.offsets")), /its offsets .* are missing/],
  ];
  for (const [act, message] of damage) {
    const dir = placed(megatronOf("book", [[[1, 2, 3]], [[4]]]));
    await importTokens({ inputs: [join(dir, "book")], out: join(dir, "out"), tokenizer, reference: true });
    assert.equal(statSync(join(dir, "out/train/book/00000.offsets")).size, 16);
    act(dir);
    const { problems } = await verifyShards(join(dir, "out"));
    assert.match(problems.map((one) => one.message).join("\n"), message);
  }
});

test("what cannot be referred to is refused with the way out", async () => {
  const dir = placed({
    ...megatronOf("book", [[[1, 2]]]),
    ...megatronOf("wide", [[[3]]], { code: 4, array: (list) => Int32Array.from(list) }),
    ...megatronOf("long", [[[4]]], { code: 5, array: (list) => BigInt64Array.from(list, BigInt) }),
  });
  const options = { out: join(dir, "out"), tokenizer, reference: true };
  const at = (...names: readonly string[]) => names.map((name) => join(dir, name));
  await assert.rejects(importTokens({ ...options, inputs: at("book", "wide") }), {
    code: "ERR_ARGUMENT",
    message:
      "book.idx holds uint16 and wide.idx int32, and a folder of shards has one type; leave out --reference and import a copy",
  });
  await assert.rejects(importTokens({ ...options, inputs: at("long") }), {
    code: "ERR_ARGUMENT",
    message: /long\.idx holds int64 values, and shards refer to 16 or 32 bits; leave out --reference/,
  });
  await assert.rejects(importTokens({ ...options, inputs: at("book"), validationTokens: 10 }), {
    code: "ERR_ARGUMENT",
    message: /10 validation tokens cannot be held out of files that are referred to; name a file of them/,
  });
  await importTokens({ ...options, inputs: at("book") });
  await assert.rejects(exportShards(options.out, { to: "arrow-stream", out: join(dir, "stream") }), {
    code: "ERR_ARGUMENT",
    message: /refers to book\.idx, which is no Arrow file/,
  });
});
