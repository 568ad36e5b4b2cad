import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  constants,
  crc32,
  createZstdCompress,
  createZstdDecompress,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import type { Document } from "../../core/document.ts";
import { sha256 } from "../../core/hash.ts";
import { keyOf, wordAt } from "../../core/random.ts";
import type { InputFile } from "../../pipeline/inputs.ts";
import { planInputs } from "../../pipeline/inputs.ts";
import { readSource, zstdSelfTest } from "../../pipeline/source.ts";
import { shared, temporaryFolder } from "../support.ts";
import {
  blockHeader,
  gzipMember,
  line,
  readBytes,
  readFile,
  storedFrame,
  textsOf,
  zstdFrame,
} from "./sources.ts";

/** Records of words drawn by a key, about `bytes` bytes of JSON in all. */
function corpus(bytes: number, name = "corpus"): readonly string[] {
  const key = keyOf(name);
  const texts: string[] = [];
  for (let size = 0, i = 0; size < bytes; texts.push(texts.length.toString())) {
    const words = Array.from({ length: 40 }, () => wordAt(key, i++).toString(36));
    texts.push(words.join(" "));
    size += words.join(" ").length + 30;
  }
  return texts;
}

const jsonl = (texts: readonly string[]) => Buffer.concat(texts.map((text) => line(text)));

describe("hazards", () => {
  test("bad UTF-8 at the start, in the middle and at the end costs its own records alone", async () => {
    const bad = Buffer.from('{"text":"\xff"}\n', "latin1");
    const back = await readBytes(
      Buffer.concat([bad, line("a"), bad, line("b"), bad.subarray(0, -1)]),
      "c4.jsonl",
    );
    assert.deepEqual(
      back.documents.map((document) => [document.line, document.text]),
      [
        [2, "a"],
        [4, "b"],
      ],
    );
    assert.deepEqual(
      back.quarantined.map((record) => [record.line, record.byteFrom, record.byteTo, record.reason]),
      [
        [1, 0, 12, "bad-utf8: byte 0xff at 9 of the line is not UTF-8"],
        [3, 26, 38, "bad-utf8: byte 0xff at 9 of the line is not UTF-8"],
        [5, 52, 64, "bad-utf8: byte 0xff at 9 of the line is not UTF-8"],
      ],
    );
  });

  test("carriage returns, a byte order mark and blank lines do no harm", async () => {
    const back = await readBytes(Buffer.from('\ufeff{"text":"a"}\r\n\r\n  \n\n{"text":"b"}'), "c4.jsonl");
    assert.deepEqual(
      back.documents.map((document) => [document.line, document.text]),
      [
        [1, "a"],
        [5, "b"],
      ],
    );
    assert.equal(back.quarantined.length + back.incidents.length, 0);
    assert.equal(back.nextLine, 6);
  });

  test("an empty .jsonl has no records; an empty compressed file is an incident", async () => {
    for (const content of ["", "\n\n", "\ufeff"]) {
      const back = await readBytes(Buffer.from(content), "c4.jsonl");
      assert.equal(back.documents.length + back.quarantined.length + back.incidents.length, 0);
      assert.equal(back.batches, 1);
    }
    for (const name of ["c4.jsonl.gz", "c4.jsonl.zst"])
      assert.match((await readBytes(Buffer.alloc(0), name)).incidents[0]!.reason, /^is empty; /);
    for (const [name, bytes] of [
      ["c4.jsonl.gz", gzipSync("")],
      ["c4.jsonl.zst", zstdCompressSync(Buffer.alloc(0))],
    ] as const)
      assert.equal((await readBytes(bytes, name)).incidents.length, 0);
  });

  test("a Git LFS pointer and a web page are named for what they are, and none of their bytes count as read", async () => {
    const pointer = Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    const page = Buffer.from("<!doctype html>\n<title>404</title>");
    for (const name of ["c4.jsonl", "c4.jsonl.gz", "c4.jsonl.zst"]) {
      const back = await readBytes(pointer, name);
      assert.equal(back.unreadable, pointer.length);
      assert.equal(
        back.incidents[0]!.reason,
        "is a Git LFS pointer, not the file itself; run `git lfs pull`",
      );
      assert.match((await readBytes(page, name)).incidents[0]!.reason, /^is a web page/);
    }
  });

  test("a gzip file named .zst, and the reverse, is read", async () => {
    assert.deepEqual(textsOf(await readBytes(gzipSync(line("a")), "c4.jsonl.zst")), ["a"]);
    assert.deepEqual(textsOf(await readBytes(zstdFrame(line("a")), "c4.jsonl.gz")), ["a"]);
  });

  test("a line of 70 MB is scanned past and quarantined with its length", async () => {
    const long = 70_000_000;
    const content = Buffer.concat([line("a"), Buffer.from(`{"text":"${"x".repeat(long)}"}\n`), line("b")]);
    for (const [name, bytes] of [
      ["c4.jsonl", content],
      ["c4.jsonl.zst", zstdCompressSync(content)],
    ] as const) {
      const back = await readBytes(bytes, name, { maxDocumentBytes: 1000 });
      assert.deepEqual(textsOf(back), ["a", "b"]);
      assert.deepEqual(back.quarantined, [
        {
          source: name,
          line: 2,
          byteFrom: 13,
          byteTo: 13 + long + 11,
          reason: `too-long: the line has ${long + 11} bytes, more than the 1000 allowed`,
          domain: "c4",
        },
      ]);
      assert.ok(back.batches > 10);
    }
  });

  test("lines in another form are quarantined one by one, each with its number", async () => {
    const back = await readBytes(
      Buffer.from('{"body":"a"}\n[]\n{"text":""}\nnot json\n{"text":"ok"}\n'),
      "c4.jsonl",
    );
    assert.deepEqual(
      back.quarantined.map((record) => `${record.line} ${record.reason}`),
      [
        "1 no-text: no `text` or `content`; fields seen: body",
        '2 not-object: the line is a list, not an object: "[]"',
        "3 empty-text: the text has no characters",
        '4 bad-json: 8 bytes that are not JSON: "not json"',
      ],
    );
    assert.deepEqual(textsOf(back), ["ok"]);
  });
});

describe("gzip", () => {
  const content = Buffer.concat([line("a"), line("b")]);

  test("headers with every optional field are read", async () => {
    for (let flags = 0; flags < 32; flags++) {
      const fields = [
        Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]),
        flags & 4 ? Buffer.from([2, 0, 0, 0]) : Buffer.alloc(0),
        flags & 8 ? Buffer.from("name\0") : Buffer.alloc(0),
        flags & 16 ? Buffer.from("comment\0") : Buffer.alloc(0),
      ];
      const header = Buffer.concat(fields);
      const sum = Buffer.alloc(2);
      sum.writeUInt16LE(crc32(header) & 0xffff);
      const { bytes } = gzipMember([content], flags & 2 ? Buffer.concat([header, sum]) : header);
      const back = await readBytes(Buffer.concat([bytes, bytes]), "c4.jsonl.gz");
      assert.deepEqual(textsOf(back), ["a", "b", "a", "b"], `flags ${flags}`);
      assert.equal(back.incidents.length, 0);
    }
  });

  test("zeros between and after members are padding, and what follows them is not lost", async () => {
    const member = gzipSync(content);
    const zeros = Buffer.alloc(100_000);
    const back = await readBytes(Buffer.concat([member, zeros, member, zeros]), "c4.jsonl.gz");
    assert.deepEqual(textsOf(back), ["a", "b", "a", "b"]);
    assert.equal(back.incidents.length, 0);
  });

  test("bytes after the last member are an incident", async () => {
    const member = gzipSync(content);
    const back = await readBytes(Buffer.concat([member, Buffer.from("tail")]), "c4.jsonl.gz");
    assert.deepEqual(textsOf(back), ["a", "b"]);
    assert.deepEqual(back.incidents, [
      {
        source: "c4.jsonl.gz",
        byteFrom: member.length,
        byteTo: member.length + 4,
        reason: `the gzip member that starts at byte ${member.length} is not one (bytes 7461696c); remove what follows the last member`,
      },
    ]);
  });

  test("a wrong check sum is named, and the next member is read", async () => {
    const first = gzipSync(content);
    first[first.length - 5]! ^= 1;
    const back = await readBytes(Buffer.concat([first, gzipSync(line("c"))]), "c4.jsonl.gz");
    assert.deepEqual(textsOf(back), ["a", "b", "c"]);
    assert.match(
      back.incidents[0]!.reason,
      /^the check sum of the gzip member that starts at byte 0 is wrong: /,
    );
    assert.equal(back.unreadable, 8);
  });
});

describe("long files", () => {
  const texts = corpus(1_500_000);
  const content = jsonl(texts);
  const zst = zstdFrame(content, true);
  const prefix = (back: { readonly documents: readonly { readonly text: string }[] }) => {
    for (const [i, { text }] of back.documents.entries()) assert.equal(text, texts[i]);
    return back.documents.length;
  };
  /** Records in what Node's own decoder makes of the start of a single frame. */
  const decodable = async (bytes: Buffer) => {
    const stream = createZstdDecompress();
    let decoded = 0;
    let lines = 0;
    stream.on("data", (chunk: Buffer) => {
      decoded += chunk.length;
      for (const byte of chunk) if (byte === 0x0a) lines++;
    });
    await new Promise<void>((resolve) => stream.write(bytes, () => resolve()));
    stream.destroy();
    assert.ok(decoded <= content.length);
    return lines;
  };

  test("a long frame is read block by block, in batches", async () => {
    assert.ok(zst.length > 512 * 1024);
    const back = await readBytes(zst, "c4.jsonl.zst");
    assert.deepEqual(textsOf(back), texts);
    assert.ok(back.batches >= 3);
  });

  test("a long frame that is cut gives every record that Node's decoder gives", async () => {
    const key = keyOf("cut");
    for (let i = 0; i < 12; i++) {
      const cut = wordAt(key, i) % zst.length;
      const back = await readBytes(zst.subarray(0, cut), "c4.jsonl.zst");
      assert.equal(prefix(back), await decodable(zst.subarray(0, cut)), `cut at ${cut}`);
      assert.equal(back.incidents.length, 1);
    }
  });

  test("a long frame with a flipped bit is good up to there, and the next frame is read", async () => {
    const key = keyOf("flip");
    for (let i = 0; i < 12; i++) {
      const at = wordAt(key, i) % zst.length;
      const flipped = Buffer.concat([zst, zstdFrame(line("next"))]);
      flipped[at]! ^= 1 << (i % 8);
      const back = await readBytes(flipped, "c4.jsonl.zst");
      assert.ok(back.incidents.length > 0);
      const sure = Math.max(0, (await decodable(zst.subarray(0, at))) - 1);
      for (let k = 0; k < sure; k++) assert.equal(back.documents[k]!.text, texts[k]);
    }
  });

  test("a long gzip file that is cut or damaged is good up to there", async () => {
    const gz = gzipSync(content);
    const half = gz.length >> 1;
    const cut = await readBytes(gz.subarray(0, half), "c4.jsonl.gz");
    assert.ok(prefix(cut) > texts.length * 0.4);
    assert.match(cut.incidents[0]!.reason, /^is cut inside the gzip member that starts at byte 0; /);
    const parts = Array.from({ length: 20 }, (_, i) => texts.slice(50 * i, 50 * (i + 1)));
    const { bytes, ends } = gzipMember(parts.map(jsonl));
    bytes[ends[9]!] = 7; // a block of the reserved type
    const back = await readBytes(bytes, "c4.jsonl.gz");
    const reason = "the gzip member that starts at byte 0 is corrupt (Z_DATA_ERROR); download it again";
    const [{ byteFrom } = { byteFrom: 0 }] = back.incidents;
    assert.deepEqual(back.incidents, [{ source: "c4.jsonl.gz", byteFrom, byteTo: bytes.length, reason }]);
    assert.ok(byteFrom <= ends[9]! && byteFrom > ends[9]! - 32 * 1024);
    const sure = ends.filter((end) => end <= byteFrom).length;
    assert.ok(sure > 0 && prefix(back) >= 50 * sure);
  });

  test("a frame of few bytes that decodes to many is decoded in bounded pieces", async () => {
    const blocks = Array.from({ length: 200 }, (_, i) =>
      Buffer.concat([blockHeader(128 * 1024, 1, i === 199), Buffer.from("x")]),
    );
    const back = await readBytes(Buffer.concat([storedFrame([]), ...blocks]), "c4.jsonl.zst", {
      maxDocumentBytes: 1000,
    });
    assert.equal(back.quarantined[0]!.byteTo, 200 * 128 * 1024);
    assert.ok(back.batches > 40);
  });

  test("a window of 2^28 bytes is allowed", async () => {
    const stream = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 28 } });
    const parts: Buffer[] = [];
    stream.on("data", (part: Buffer) => parts.push(part));
    await new Promise<void>((resolve) => stream.on("end", resolve).end(content));
    const bytes = Buffer.concat(parts);
    assert.throws(() => zstdDecompressSync(bytes), { code: "ZSTD_error_frameParameter_windowTooLarge" });
    assert.deepEqual(textsOf(await readBytes(bytes, "c4.jsonl.zst")), texts);
  });
});

describe("a file that changes under the reader", () => {
  const fileOf = (content: Buffer): InputFile => {
    const path = join(temporaryFolder(), "c4.jsonl");
    writeFileSync(path, content);
    return { path, source: "c4.jsonl", bytes: content.length, modified: 0, format: "jsonl" };
  };

  test("bytes that are gone are unreadable", async () => {
    const file = fileOf(Buffer.concat([line("a"), line("b")]));
    truncateSync(file.path, 20);
    const back = await readFile(file);
    assert.deepEqual(textsOf(back), ["a"]);
    assert.deepEqual([back.read, back.unreadable], [20, 6]);
    assert.match(back.quarantined[0]!.reason, /^fragment: 7 bytes /);
    assert.match(back.incidents[0]!.reason, /^had 26 bytes when the build was planned and has 20 now; /);
  });

  test("bytes that were added are not read, and it is said", async () => {
    const file = fileOf(line("a"));
    appendFileSync(file.path, line("b"));
    const back = await readFile(file);
    assert.deepEqual(textsOf(back), ["a"]);
    assert.match(back.incidents[0]!.reason, /^had 13 bytes when the build was planned and has 26 now; /);
  });
});

test("a read from a line on gives what a whole read gives from there", async () => {
  const texts = corpus(600_000, "lines");
  const bytes = Buffer.concat([jsonl(texts.slice(0, 50)), Buffer.from("\nbad\n"), jsonl(texts.slice(50))]);
  const whole = await readBytes(bytes, "c4.jsonl");
  for (const fromLine of [1, 2, 51, 52, 53, 600, whole.nextLine - 1, whole.nextLine, whole.nextLine + 5]) {
    const back = await readBytes(bytes, "c4.jsonl", {}, { fromLine });
    assert.deepEqual(
      [...back.documents, ...back.quarantined],
      [...whole.documents, ...whole.quarantined].filter((record) => record.line >= fromLine),
    );
    assert.equal(back.read, bytes.length);
  }
});

test("each batch says from which line a later read may go on", async () => {
  const texts = corpus(1_300_000, "resume");
  const path = join(temporaryFolder(), "c4.jsonl.zst");
  const bytes = zstdFrame(jsonl(texts));
  writeFileSync(path, bytes);
  const file: InputFile = {
    path,
    source: "c4.jsonl.zst",
    bytes: bytes.length,
    modified: 0,
    format: "jsonl.zst",
  };
  const seen: string[] = [];
  for await (const chunk of readSource(file)) {
    seen.push(...chunk.documents.map(({ text }) => text));
    const rest = await readFile(file, {}, { fromLine: chunk.nextLine });
    assert.deepEqual([...seen, ...textsOf(rest)], texts);
  }
});

test("a reader that is left early closes its file", {
  skip: process.platform !== "linux" && "needs /proc",
}, async () => {
  const texts = corpus(2_000_000, "left");
  const folder = temporaryFolder();
  const open = async () => (await readdir("/proc/self/fd")).length;
  for (const [name, format, bytes] of [
    ["c4.jsonl", "jsonl", jsonl(texts)],
    ["c4.jsonl.gz", "jsonl.gz", gzipSync(jsonl(texts))],
    ["c4.jsonl.zst", "jsonl.zst", zstdFrame(jsonl(texts))],
  ] as const) {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    const before = await open();
    for await (const chunk of readSource({ path, source: name, bytes: bytes.length, modified: 0, format })) {
      assert.ok(chunk.documents.length > 0);
      break;
    }
    assert.equal(await open(), before, name);
  }
});

test("options are checked before anything is read", async () => {
  const file: InputFile = { path: "/nowhere", source: "x.jsonl", bytes: 1, modified: 0, format: "jsonl" };
  await assert.rejects(readSource(file, { domain: "A" }).next(), { code: "ERR_DOMAIN" });
});

test("this Node passes the zstd self-test", async () => {
  await zstdSelfTest();
});

test("one corpus in five layouts gives the same documents", async () => {
  const names = { RedPajamaC4: "en_c4", RedPajamaArXiv: "en_arxiv", RedPajamaGithub: "github" };
  const texts = corpus(20_000, "layouts");
  const folder = temporaryFolder();
  const put = (path: string, content: Uint8Array) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const byName = Object.keys(names).map((name, i) => [name, texts.filter((_, k) => k % 3 === i)] as const);
  put(
    "slimpajama/chunk1/example_train_0.jsonl.zst",
    zstdFrame(
      Buffer.concat(
        byName.flatMap(([name, own]) =>
          own.map((text) => line(text, { meta: { redpajama_set_name: name } })),
        ),
      ),
    ),
  );
  for (const [name, own] of byName) {
    put(`dc/train/${name}/chunk1/0.jsonl.zst`, Buffer.concat(own.map((text) => zstdFrame(line(text)))));
    put(`llama-moe/${names[name as keyof typeof names]}/part-0.jsonl`, jsonl(own));
    put(`stems/${name}.jsonl.gz`, gzipSync(jsonl(own)));
    put(
      `mapped/${name.slice(-2)}.jsonl`,
      Buffer.concat(own.map((content) => Buffer.from(`${JSON.stringify({ body: { content } })}\n`))),
    );
  }
  const read = async (layout: string, options = {}) => {
    const found: string[] = [];
    for (const file of (await planInputs([join(folder, layout)])).files) {
      const back = await readFile(file, options);
      assert.equal(back.quarantined.length + back.incidents.length, 0);
      found.push(...back.documents.map(({ domain, text }) => `${domain} ${text}`));
    }
    return found.sort();
  };
  const expected = await read("slimpajama");
  assert.equal(expected.length, texts.length);
  assert.equal(new Set(expected.map((one) => one.split(" ")[0])).size, 3);
  assert.deepEqual(await read("dc"), expected);
  assert.deepEqual(await read("llama-moe"), expected);
  assert.deepEqual(await read("stems"), expected);
  const domainMap = { C4: "c4", Xv: "arxiv", iv: "arxiv", ub: "github" };
  assert.deepEqual(await read("mapped", { textFields: ["body.content"], domainMap }), expected);
});

test("the shared sample is the same documents in both of its layouts", { skip: shared.missing }, async () => {
  const read = async (layout: string) => {
    const found: string[] = [];
    for (const file of (await planInputs([join(shared.sample, layout)])).files) {
      const back = await readFile(file);
      assert.equal(back.quarantined.length + back.incidents.length, 0);
      found.push(...back.documents.map(({ domain, text }) => `${domain} ${sha256(text)}`));
    }
    return found.sort();
  };
  const train = await read("train");
  assert.equal(train.length, 3196);
  assert.deepEqual(await read("by-domain"), train);
});

test("texts that are lent are the same until the next batch, in memory that is used again", async () => {
  const texts = Array.from({ length: 900 }, (_, i) => `${i} `.repeat(1_000 + 3 * i));
  const bytes = Buffer.from(texts.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  const path = join(temporaryFolder(), "c4.jsonl");
  writeFileSync(path, bytes);
  const file = { path, source: "c4.jsonl", bytes: bytes.length, modified: 0, format: "jsonl" } as const;
  const memories: Record<string, number> = {};
  for (const lend of [false, true]) {
    const seen: string[] = [];
    const blocks = new Set<ArrayBufferLike>();
    const kept: Document[] = [];
    for await (const { documents } of readSource(file, {}, { lend }))
      for (const document of documents) {
        seen.push(Buffer.from(document.utf8!).toString());
        blocks.add(document.utf8!.buffer);
        kept.push(document);
      }
    assert.deepEqual(seen, texts);
    if (!lend)
      assert.deepEqual(
        kept.map(({ utf8 }) => Buffer.from(utf8!).toString()),
        texts,
      );
    memories[String(lend)] = blocks.size;
  }
  assert.ok(memories["false"]! >= 5 && memories["true"]! <= 2, JSON.stringify(memories));
});
