/**
 * `npm run kernel`: compiles the tokenizer kernel (pipeline/tokenizer/kernel, AssemblyScript) to WebAssembly and writes it, as base64,
 * to pipeline/tokenizer/kernel-module.ts, which is committed, so that nobody who installs the package needs a compiler.
 * `--check` writes nothing and ends with 1 when the committed module is not what the source compiles to.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCE = "pipeline/tokenizer/kernel";
const TARGET = join(ROOT, "pipeline/tokenizer/kernel-module.ts");

const bytes = compile();
if (bytes !== undefined) {
  const text = moduleOf(bytes);
  if (!process.argv.includes("--check")) {
    writeFileSync(TARGET, text);
    console.error(`kernel: ${bytes.length} bytes of WebAssembly`);
  } else if (readFileSync(TARGET, "utf8") !== text) {
    console.error(`kernel: ${TARGET} is not what ${SOURCE} compiles to; run npm run kernel and commit it`);
    process.exitCode = 1;
  }
}

/** The compiled module, or undefined and an exit status. */
function compile() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-kernel-"));
  try {
    const out = join(folder, "kernel.wasm");
    const { status } = spawnSync(
      process.execPath,
      [
        join(ROOT, "node_modules/assemblyscript/bin/asc.js"),
        `${SOURCE}/kernel.ts`,
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
function moduleOf(wasm) {
  const hash = createHash("sha256");
  for (const file of readdirSync(join(ROOT, SOURCE)).sort())
    if (file.endsWith(".ts")) hash.update(file).update(readFileSync(join(ROOT, SOURCE, file)));
  const { version } = JSON.parse(
    readFileSync(join(ROOT, "node_modules/assemblyscript/package.json"), "utf8"),
  );
  return `/**
 * The tokenizer kernel, ${wasm.length} bytes of WebAssembly, as \`npm run kernel\` wrote it; not to be edited.
 * AssemblyScript ${version}; sha256 of the sources ${hash.digest("hex")}.
 */
export const KERNEL_BASE64 =
  "${wasm.toString("base64")}";
`;
}
