/**
 * `npm run build`: what the package ships, in dist/. TypeScript is compiled file by file (Node refuses to strip types under
 * node_modules); the files beside it that are read at run time (filter models, the script of the inspection page, the Python package) are
 * copied; the command can be run.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const DIST = join(ROOT, "dist");
/** Folders whose files are copied as they are, into the same place under dist. */
const ASSETS = ["filters/models", "pipeline/inspect/browser", "trainer/python"];
const LEFT_OUT = /^(tests|__pycache__|\.pytest_cache|build|.*\.egg-info|.*\.pyc|.*\.ts|tsconfig\.json)$/;

rmSync(DIST, { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(ROOT, "tsconfig.build.json")],
  { cwd: ROOT, stdio: "inherit" },
);
process.exitCode = status ?? 1;
if (status === 0) {
  for (const folder of ASSETS)
    cpSync(join(ROOT, folder), join(DIST, folder), {
      recursive: true,
      filter: (path) => !LEFT_OUT.test(basename(path)),
    });
  const { bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const path of Object.values(bin)) chmodSync(join(ROOT, path), 0o755);
}
