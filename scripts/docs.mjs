/**
 * `npm run docs`: API pages from the doc comments of the entry points, in docs/api (not committed).
 * TypeDoc refuses TypeScript 7, so it lives in a folder of its own with the TypeScript it knows, installed on first use.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const TOOLS = { typedoc: "0.28.20", typescript: "6.0.3" };
const HOME = join(ROOT, ".headrace/docs");

process.exitCode = install() || write();

/** Installs the tools unless they are there. Returns an exit status. */
function install() {
  const wanted = `${JSON.stringify({ private: true, dependencies: TOOLS }, null, 2)}\n`;
  const manifest = join(HOME, "package.json");
  const cli = join(HOME, "node_modules/typedoc/bin/typedoc");
  if (existsSync(cli) && existsSync(manifest) && readFileSync(manifest, "utf8") === wanted) return 0;
  mkdirSync(HOME, { recursive: true });
  writeFileSync(manifest, wanted);
  return run("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], HOME);
}

/** Runs TypeDoc over the sources of every entry point of package.json. Returns an exit status. */
function write() {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const entries = Object.values(exports)
    .filter((path) => path.endsWith(".js"))
    .map((path) => path.replace("./dist/", "").replace(/\.js$/, ".ts"));
  const options = [
    "--tsconfig",
    "tsconfig.build.json",
    "--out",
    "docs/api",
    "--name",
    "headrace",
    "--readme",
    "none",
  ];
  const quiet = ["--disableSources", "--skipErrorChecking", "--validation.notExported", "false"];
  const cli = join(HOME, "node_modules/typedoc/bin/typedoc");
  return run(
    process.execPath,
    [cli, ...options, ...quiet, ...entries.flatMap((entry) => ["--entryPoints", entry])],
    ROOT,
  );
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (error) process.stderr.write(`docs: cannot start ${command}: ${error.message}\n`);
  return status ?? 1;
}
