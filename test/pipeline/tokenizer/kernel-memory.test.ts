import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../support.ts";

test("a text that the memory cannot grow for is an error that says so, and the next text has its ids", () => {
  const code = `
    const { loadTokenizer } = await import(${JSON.stringify(join(ROOT, "pipeline/tokenizer/index.ts"))});
    const tokenizer = await loadTokenizer("llama-2");
    for (const text of ["ab".repeat(4e6), "a b ".repeat(2e7), "Hello  world"])
      try {
        console.log([...tokenizer.encode(text)].join());
      } catch (error) {
        console.log(error.code, error.message.replace(/than the \\d+|needs \\d+ bytes of/, "…"));
      }`;
  // 700 pages are 46 MB: the tables take 12 MB, and merging 8 MB of letters without a seam would take 200 MB more.
  const run = spawnSync(process.execPath, ["--wasm-max-mem-pages=700", "--input-type=module", "-e", code], {
    encoding: "utf8",
  });
  assert.deepEqual(run.stdout.split("\n"), [
    "ERR_INPUT a text of 8000000 bytes needs more of the tokenizer's memory … bytes there are, and it cannot grow; lower --max-document-bytes",
    "ERR_INPUT a text … the tokenizer's memory and cannot have them; lower --max-document-bytes",
    "15043,29871,3186",
    "",
  ]);
  assert.equal(run.stderr, "");
});
