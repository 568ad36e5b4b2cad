import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TokenIds } from "../../../core/document.ts";
import { loadTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { ROOT } from "../../support.ts";
import { ENCODERS } from "./encoders.ts";

interface Fixture {
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly generated: readonly {
    readonly name: string;
    readonly parts: readonly string[];
    readonly times: number;
    readonly text: string;
    readonly count: number;
    readonly ids: string;
  }[];
  readonly parsed: Fixture["cases"];
  readonly decoded: Fixture["cases"];
}

const fixture = JSON.parse(
  readFileSync(join(ROOT, "fixtures/tokenizer/adversarial.json"), "utf8"),
) as Fixture;

for (const encoder of ENCODERS) {
  const tokenizer = await loadTokenizer("llama-2", { encoder });

  test(`awkward texts have sentencepiece's ids, control pieces in them spelled out (${encoder})`, () => {
    assert.ok(fixture.cases.length > 300);
    for (const { text, ids } of fixture.cases)
      assert.deepEqual([...tokenizer.encode(text)], ids, JSON.stringify(text));
  });

  test(`control pieces in a text become their ids as in tokenizers when they are to be parsed (${encoder})`, async () => {
    const parsing = await loadTokenizer("llama-2", { specialTokens: "parse", encoder });
    assert.ok(fixture.parsed.length >= 20);
    for (const { text, ids } of fixture.parsed)
      assert.deepEqual([...parsing.encode(text)], ids, JSON.stringify(text));
    for (const { text, ids } of fixture.cases)
      if (!/<s>|<\/s>|<unk>/.test(text))
        assert.deepEqual([...parsing.encode(text)], ids, JSON.stringify(text));
  });

  for (const { name, parts, times, text, count, ids } of fixture.generated)
    test(`a long text of ${name} has sentencepiece's ids (${encoder})`, () => {
      const built = parts.join("").repeat(times);
      assert.equal(shortHash(Buffer.from(built)), text, "the text is not the one the oracle saw");
      const encoded = tokenizer.encode(built);
      assert.equal(encoded.length, count);
      assert.equal(shortHash(bytesOf(encoded)), ids);
    });
}

const tokenizer = await loadTokenizer("llama-2");

test("ids decode to sentencepiece's text, whatever they are", () => {
  assert.ok(fixture.decoded.length > 60);
  for (const { ids, text } of fixture.decoded) assert.equal(tokenizer.decode(ids), text, ids.join());
});

function shortHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function bytesOf(ids: TokenIds): Uint8Array {
  return new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
}
