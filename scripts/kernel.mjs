/**
 * `npm run kernel`: compiles what is written in AssemblyScript (the tokenizer kernel, the JSON scanner, the counter of ids, the rule sets' kernel) to WebAssembly and
 * writes it, as base64, to modules that are committed, so that nobody who installs the package needs a compiler.
 * `--check` writes nothing and ends with 1 when a committed module is not what its source compiles to.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = [
  {
    what: "The tokenizer kernel",
    source: "pipeline/tokenizer/kernel",
    entry: "kernel.ts",
    target: "pipeline/tokenizer/kernel-module.ts",
    constant: "KERNEL_BASE64",
  },
  {
    what: "The JSON scanner",
    source: "pipeline/json-kernel",
    entry: "scan.ts",
    target: "pipeline/json-kernel-module.ts",
    constant: "JSON_KERNEL_BASE64",
  },
  {
    what: "The counter of ids",
    source: "filters/count-kernel",
    entry: "count.ts",
    target: "filters/count-kernel-module.ts",
    constant: "COUNT_KERNEL_BASE64",
  },
  {
    what: "The rule sets' kernel",
    source: "filters/rules/kernel",
    entry: "kernel.ts",
    target: "filters/rules/kernel-module.ts",
    constant: "RULES_KERNEL_BASE64",
  },
];

for (const module of MODULES) {
  const bytes = compile(module);
  if (bytes === undefined) continue;
  const { source } = module;
  const target = join(ROOT, module.target);
  const text = moduleOf(module, bytes);
  if (!process.argv.includes("--check")) {
    writeFileSync(target, text);
    console.error(`${source}: ${bytes.length} bytes of WebAssembly`);
  } else if (readFileSync(target, "utf8") !== text) {
    console.error(`${target} is not what ${source} compiles to; run npm run kernel and commit it`);
    process.exitCode = 1;
  }
}

/** The compiled module, or undefined and an exit status. */
function compile({ source, entry }) {
  const folder = mkdtempSync(join(tmpdir(), "headrace-kernel-"));
  try {
    const out = join(folder, "kernel.wasm");
    const { status } = spawnSync(
      process.execPath,
      [
        join(ROOT, "node_modules/assemblyscript/bin/asc.js"),
        `${source}/${entry}`,
        "-O3",
        "--enable",
        "simd",
        "--runtime",
        "stub",
        "--outFile",
        out,
      ],
      { cwd: ROOT, stdio: "inherit" },
    );
    if (status !== 0) {
      process.exitCode = status ?? 1;
      return undefined;
    }
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The file that is committed. */
function moduleOf({ what, source, constant }, wasm) {
  const hash = createHash("sha256");
  for (const file of readdirSync(join(ROOT, source)).sort())
    if (file.endsWith(".ts")) hash.update(file).update(readFileSync(join(ROOT, source, file)));
  const { version } = JSON.parse(
    readFileSync(join(ROOT, "node_modules/assemblyscript/package.json"), "utf8"),
  );
  return `/**
 * ${what}, ${wasm.length} bytes of WebAssembly, as \`npm run kernel\` wrote it; not to be edited.
 * AssemblyScript ${version}; sha256 of the sources ${hash.digest("hex")}.
 */
export const ${constant} =
  "${wasm.toString("base64")}";
`;
}
