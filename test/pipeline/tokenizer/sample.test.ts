import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { loadTokenizer, tokenBuffer } from "../../../pipeline/tokenizer/index.ts";
import { ROOT, shared } from "../../support.ts";
import { ENCODERS } from "./encoders.ts";

type Row = readonly [domain: string, line: number, text: string, count: number, ids: string];

const { documents } = JSON.parse(readFileSync(join(ROOT, "fixtures/tokenizer/sample-ids.json"), "utf8")) as {
  readonly documents: readonly Row[];
};

const SPECS = ["llama-2", "tokenizer.model", "tokenizer.json"];

for (const [spec, encoder] of SPECS.flatMap((spec) => ENCODERS.map((encoder) => [spec, encoder] as const)))
  test(`all 3,196 documents of the sample have sentencepiece's ids with ${spec} (${encoder})`, {
    skip: shared.missing,
  }, async () => {
    const tokenizer = await loadTokenizer(spec === "llama-2" ? spec : join(shared.sample, spec), { encoder });
    const buffer = tokenBuffer(tokenizer);
    const lines = new Map<string, readonly string[]>();
    let tokens = 0;
    for (const [domain, line, textHash, count, idsHash] of documents) {
      if (!lines.has(domain)) lines.set(domain, linesOf(domain));
      const { text } = JSON.parse(lines.get(domain)![line - 1]!) as { readonly text: string };
      assert.equal(shortHash(text), textHash, `${domain} ${line} is not the text the oracle saw`);
      assert.equal(tokenizer.encodeInto(text, buffer, 0), count, `${domain} ${line}`);
      const ids = buffer.ids.subarray(0, count);
      assert.equal(
        shortHash(Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength)),
        idsHash,
        `${domain} ${line}`,
      );
      assert.equal(tokenizer.decode(ids), text, `${domain} ${line}`);
      tokens += count;
    }
    assert.equal(documents.length, 3196);
    assert.equal(tokens, 2_623_341);
  });

function linesOf(domain: string): readonly string[] {
  const file = join(shared.sample, "by-domain", `${domain}.jsonl.zst`);
  return zstdDecompressSync(readFileSync(file)).toString().split("\n");
}

function shortHash(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}
