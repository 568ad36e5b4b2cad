import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import type { TokenIds } from "../../../core/document.ts";
import { sha256 } from "../../../core/hash.ts";
import { loadTokenizer, tokenBuffer } from "../../../pipeline/tokenizer/index.ts";
import { ROOT, shared } from "../../support.ts";
import { digest, formFile } from "./byte-level-forms.ts";

interface Row {
  readonly name: string;
  /** SHA-256 of a published tokenizer.json; null for a small one of the fixtures. */
  readonly file: string | null;
  readonly domains: Readonly<Record<string, readonly [documents: number, tokens: number, ids: string]>>;
}

const { rows } = JSON.parse(
  readFileSync(join(ROOT, "fixtures/tokenizer/byte-level/answers/sample.json"), "utf8"),
) as { readonly rows: readonly Row[] };

/** `$HEADRACE_TOKENIZERS`: a folder with NAME/tokenizer.json of published vocabularies (fixtures/README.md says where they come from). */
const published = process.env["HEADRACE_TOKENIZERS"] ?? "";

for (const { name, file, domains } of rows) {
  const path = file === null ? formFile(name) : join(published, name, "tokenizer.json");
  const skip = shared.missing || (existsSync(path) ? false : "the published vocabulary is not here");
  test(`${name}: all documents of the sample have the ids of tokenizers`, { skip }, async () => {
    if (file !== null)
      assert.equal(sha256(readFileSync(path)), file, "the vocabulary is not the one the oracle used");
    const tokenizer = await loadTokenizer(path);
    const buffer = tokenBuffer(tokenizer);
    for (const [domain, [documents, tokens, ids]] of Object.entries(domains)) {
      const lines = zstdDecompressSync(readFileSync(join(shared.sample, "by-domain", `${domain}.jsonl.zst`)))
        .toString()
        .split("\n")
        .filter((line) => line !== "");
      let seen = 0;
      const lists: TokenIds[] = lines.map((line) => {
        const { text } = JSON.parse(line) as { readonly text: string };
        const count = tokenizer.encodeInto(text, buffer, 0);
        seen += count;
        return buffer.ids.slice(0, count);
      });
      assert.deepEqual([lines.length, seen], [documents, tokens], domain);
      assert.equal(digest(lists), ids, domain);
    }
  });
}
