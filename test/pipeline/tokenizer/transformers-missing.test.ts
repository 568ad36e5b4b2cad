import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { temporaryFolder } from "../../support.ts";
import { tokenizerJson } from "./tokenizer-json.ts";

test("without the optional package the transformers engine says what to install, and nothing else needs it", async () => {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === "@huggingface/transformers") throw new Error("Cannot find package");
      return next(specifier, context);
    },
  });
  const folder = temporaryFolder();
  writeFileSync(join(folder, "tokenizer.json"), tokenizerJson([["\u2581", -1]]));
  assert.equal((await loadTokenizer(join(folder, "tokenizer.json"))).vocabularySize, 260);
  await assert.rejects(loadTokenizer(folder, { engine: "transformers" }), {
    code: "ERR_RUNTIME",
    message:
      "--tokenizer-engine transformers needs the optional package @huggingface/transformers, which does not load (Cannot find package); run npm install @huggingface/transformers",
  });
});
