import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { openOwnFilter, parseOwnSpec } from "../../filters/index.ts";
import { ROOT } from "../support.ts";

test("without the optional package an ONNX filter says what to install", async () => {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === "@huggingface/transformers") throw new Error("Cannot find package");
      return next(specifier, context);
    },
  });
  const model = join(ROOT, "fixtures/own/onnx/model");
  await assert.rejects(openOwnFilter(parseOwnSpec(`o=onnx:${model}:high,label=loud`)), {
    code: "ERR_RUNTIME",
    message:
      'filter "o" needs the optional package @huggingface/transformers (Cannot find package); install it with npm install @huggingface/transformers',
  });
});
