/**
 * The tarball as a user gets it: built, packed, installed in an empty folder without optional packages, imported, type-checked, run.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { ROOT, temporaryFolder } from "./support.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
}

const ENTRY_POINTS = [
  "headrace",
  "headrace/filters",
  "headrace/shards",
  "headrace/pipeline",
  "headrace/samplers",
  "headrace/trainer",
];
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
const home = temporaryFolder();
const installed = join(home, "node_modules/headrace");
let packed: readonly string[] = [];

before(() => {
  const json = run(ROOT, "npm", "pack", "--json", "--loglevel=error", "--pack-destination", home);
  const [tarball] = JSON.parse(json.slice(json.indexOf("[\n")));
  packed = tarball.files.map((file: { readonly path: string }) => file.path);
  writeFileSync(join(home, "package.json"), JSON.stringify(consumerManifest(tarball.filename)));
  writeFileSync(join(home, "package-lock.json"), JSON.stringify(consumerLock(tarball)));
  run(
    home,
    "npm",
    "install",
    "--omit=optional",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  );
});

test("exactly the six entry points and package.json are exported", () => {
  assert.deepEqual(
    Object.keys(manifest.exports).sort(),
    ["./package.json", ...ENTRY_POINTS.map((name) => name.replace("headrace", "."))].sort(),
  );
});

test("the tarball holds compiled code with its types, the models and the Python package, and no source or test", () => {
  for (const path of Object.values(manifest.exports)) assert.ok(packed.includes(path.slice(2)), path);
  // The script of a page is read, not imported.
  const compiled = packed.filter((path) => path.endsWith(".js") && !path.includes("/inspect/browser/"));
  for (const path of compiled) assert.ok(packed.includes(path.replace(/\.js$/, ".d.ts")), path);
  for (const path of [
    "LICENSE",
    "NOTICE",
    "README.md",
    "CHANGELOG.md",
    "docs/format.md",
    "dist/trainer/python/pyproject.toml",
  ])
    assert.ok(packed.includes(path), path);
  assert.ok(packed.some((path) => /^dist\/filters\/models\/.*\.json$/.test(path)));
  for (const name of ["main.js", "page.css"])
    assert.ok(packed.includes(`dist/pipeline/inspect/browser/${name}`), name);
  assert.deepEqual(
    packed.filter((path) => /(?<!\.d)\.ts$|(^|\/)tests?\/|node_modules|\.pyc$|\.map$/.test(path)),
    [],
  );
});

test("every entry point can be imported", () => {
  for (const name of ENTRY_POINTS) {
    const names = JSON.parse(
      evaluate(`console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(name)}))))`),
    );
    assert.ok(names.length > 0 && !names.includes("default"), `${name} exports ${names}`);
  }
});

test("what is not an entry point cannot be imported", () => {
  for (const name of ["headrace/core/hash.js", "headrace/dist/index.js", "headrace/scripts"])
    assert.equal(
      evaluate(`await import(${JSON.stringify(name)}).catch((e) => console.log(e.code))`),
      "ERR_PACKAGE_PATH_NOT_EXPORTED",
    );
});

test("importing the samplers loads no tokenizer, filter, subprocess, worker or native module", () => {
  const seen = JSON.parse(
    evaluate(`
      import { registerHooks } from "node:module";
      const urls = [];
      registerHooks({ resolve: (name, context, next) => { const found = next(name, context); urls.push(found.url); return found; } });
      const before = new Set(process.moduleLoadList);
      await import("headrace/samplers");
      console.log(JSON.stringify([...urls, ...process.moduleLoadList.filter((name) => !before.has(name))]));`),
  ) as readonly string[];
  assert.ok(seen.some((url) => url.endsWith("headrace/dist/samplers/index.js")));
  assert.ok(seen.some((url) => url.endsWith("headrace/dist/core/random.js")));
  const banned =
    /headrace\/dist\/(filters|pipeline|trainer|scripts)\/|tokenizer|child_process|worker_threads|cluster|sqlite|onnx|\.node$/;
  assert.deepEqual(
    seen.filter((url) => banned.test(url)),
    [],
  );
});

test("the types resolve for a strict project, and nothing comes out as any", () => {
  const consumer = join(home, "consumer");
  mkdirSync(join(consumer, "node_modules/@types"), { recursive: true });
  symlinkSync(join(ROOT, "node_modules/@types/node"), join(consumer, "node_modules/@types/node"));
  for (const name of ["tsconfig.json", "consumer.ts"])
    copyFileSync(join(ROOT, "test/types/consumer", name), join(consumer, name));
  const tsc = spawnSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", consumer], {
    encoding: "utf8",
  });
  assert.equal(tsc.stdout, "");
  assert.equal(tsc.status, 0);
});

test("the command runs from where npm links it", () => {
  const command = join(home, "node_modules/.bin/headrace");
  const help = spawnSync(command, ["--help"], { encoding: "utf8", env: environment() });
  assert.equal(help.status, 0, help.stderr);
  for (const word of ["build", "replay", "simulate", "train"])
    assert.match(help.stdout + help.stderr, new RegExp(`headrace ${word}`));
  const version = spawnSync(command, ["--version"], { encoding: "utf8", env: environment() });
  assert.equal(version.stdout.trim(), manifest.version);
});

test("publint has nothing to say", () => {
  const said = run(
    ROOT,
    process.execPath,
    join(ROOT, "node_modules/publint/src/cli.js"),
    "run",
    installed,
    "--strict",
  );
  assert.match(said, /All good!/);
});

function consumerManifest(tarball: string): object {
  return { private: true, type: "module", dependencies: { headrace: `file:${tarball}` } };
}

/** A lock file with the versions of ours, so that the test fetches no list of versions and no version newer than the ones we tested. */
function consumerLock(tarball: { readonly filename: string; readonly integrity: string }): object {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const ours = Object.entries<{ readonly dev?: boolean }>(lock.packages).filter(
    ([path, { dev }]) => path !== "" && !dev,
  );
  const { name, version, dependencies, optionalDependencies, bin } = manifest;
  const headrace = {
    ...{ name, version, dependencies, optionalDependencies, bin },
    resolved: `file:${tarball.filename}`,
    integrity: tarball.integrity,
  };
  return {
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": consumerManifest(tarball.filename),
      "node_modules/headrace": headrace,
      ...Object.fromEntries(ours),
    },
  };
}

/** Runs a module in the folder where the package is installed; what it printed, trimmed. */
function evaluate(module: string): string {
  return run(home, process.execPath, "--input-type=module", "--eval", module).trim();
}

function run(folder: string, command: string, ...args: readonly string[]): string {
  const child = spawnSync(command, args, { cwd: folder, encoding: "utf8", env: environment() });
  assert.equal(
    child.status,
    0,
    `${command} ${args.join(" ")}\n${child.error ?? ""}${child.stdout}${child.stderr}`,
  );
  return child.stdout;
}

/** This environment with this Node first in the path, and without what the test runner and npm set for their own children. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_)|NODE_(OPTIONS|TEST|V8|CHANNEL))/i.test(name),
  );
  return { ...Object.fromEntries(own), PATH: `${join(process.execPath, "..")}:${process.env["PATH"]}` };
}
