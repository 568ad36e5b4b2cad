/**
 * `npm start` and `npm test` on a fresh clone: installs what package-lock.json names, finds the pinned Node, runs the command on it
 * (`setup.mjs install` stops before the last step).
 * Plain JavaScript for the Node that npm brought (18 or newer); its own lines go to standard error; the exit status is the command's.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const STAMP = join(ROOT, "node_modules/.headrace-lock");
/** The oldest Node that runs TypeScript files as they are. */
const OLDEST = [22, 18];
/** Browsers that can open the inspection page in its test; the names are those of test/support.ts. */
const BROWSERS =
  "chromium chromium-browser google-chrome google-chrome-stable chrome microsoft-edge msedge".split(" ");

const [verb = "", ...rest] = process.argv.slice(2);
if (!["start", "test", "install"].includes(verb)) {
  say(`setup: "${verb}" is not a command; use npm start or npm test`);
  process.exitCode = 2;
} else {
  try {
    await installPackages();
    const node = await findNode();
    if (verb === "start") process.exitCode = await runOn(node, ["scripts/demo.ts", ...rest]);
    if (verb === "test") process.exitCode = await runOn(node, tests(node, rest));
  } catch (error) {
    say(`setup: ${error.message}`);
    process.exitCode = 1;
  }
}

/** `npm ci`, unless node_modules was installed from this very package-lock.json. */
async function installPackages() {
  const lock = join(ROOT, "package-lock.json");
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (isInstalled(lock, hash)) return;
  await step("installing packages (npm ci)", () =>
    npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
  );
  writeFileSync(STAMP, hash);
}

function isInstalled(lock, hash) {
  const installed = join(ROOT, "node_modules/.package-lock.json");
  if (!existsSync(installed)) return false;
  if (existsSync(STAMP)) return readFileSync(STAMP, "utf8") === hash;
  return statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
}

/**
 * The Node to run on: the pinned one; else its platform package, installed beside node_modules (npm may refuse the install script
 * that puts it in place); else the Node that runs this file, if it is new enough.
 */
async function findNode() {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const pinned = manifest.devDependencies.node;
  const name = `node-${process.platform === "darwin" && process.arch === "arm64" ? "bin-" : ""}${process.platform}-${process.arch}`;
  const apart = join(ROOT, ".headrace/node", pinned);
  const places = [
    join(ROOT, "node_modules/.bin/node"),
    join(ROOT, "node_modules/node/node_modules", name, "bin/node"),
    join(ROOT, "node_modules", name, "bin/node"),
    join(apart, "node_modules", name, "bin/node"),
  ];
  const found = () => places.find((path) => versionOf(path) === pinned);
  if (found()) return found();

  say(
    `setup: node_modules/.bin/node is not Node ${pinned} (npm did not run the install script of the package "node")`,
  );
  try {
    mkdirSync(apart, { recursive: true });
    writeFileSync(join(apart, "package.json"), '{ "private": true }\n');
    await step(`installing ${name} ${pinned}`, () =>
      npm([
        "install",
        "--prefix",
        apart,
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        `${name}@${pinned}`,
      ]),
    );
    if (found()) return found();
  } catch (error) {
    say(`setup: ${error.message}`);
  }
  if (!isAtLeast(process.versions.node, OLDEST))
    throw new Error(
      `needs Node ${pinned}, or at least ${OLDEST.join(".")}, and this is ${process.versions.node}; run "npm rebuild node", or install a newer Node`,
    );
  say(`setup: running on Node ${process.versions.node} instead of ${pinned}`);
  return process.execPath;
}

function versionOf(path) {
  if (!existsSync(path)) return undefined;
  const run = spawnSync(path, ["--version"], { encoding: "utf8" });
  return run.status === 0 ? run.stdout.trim().slice(1) : undefined;
}

function isAtLeast(version, [major, minor]) {
  const [a, b] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

/** Arguments of the test runner. Arguments that do not begin with "-" replace the list of test files. */
function tests(node, args) {
  const chosen = args.filter((arg) => !arg.startsWith("-"));
  const files = readdirSync(join(ROOT, "test"), { recursive: true })
    .map((name) => join("test", String(name)))
    .filter((name) => name.endsWith(".test.ts"))
    .sort();
  for (const line of leftOut()) say(`not tested here: ${line}`);
  say(`testing on Node ${versionOf(node)}`);
  const options = args.filter((arg) => arg.startsWith("-"));
  return ["--test", "--test-concurrency=2", ...options, ...(chosen.length > 0 ? chosen : files)];
}

/** What is missing on this machine, so that the tests that need it are skipped. */
function leftOut() {
  const lines = [];
  const sample = join(process.env.HEADRACE_SHARED ?? join(ROOT, "../shared"), "data/redpajama-sample");
  if (!existsSync(sample))
    lines.push(
      `the RedPajama sample, which is not in ${sample} (set HEADRACE_SHARED to the folder that has data/)`,
    );
  const python = pythonModules(["numpy", "torch"]);
  if (!python.includes("numpy"))
    lines.push(
      "the Python package, as no Python with numpy was found (set HEADRACE_PYTHON; .ci/run makes one in .venv)",
    );
  else if (!python.includes("torch"))
    lines.push("the PyTorch trainer, as Python has no torch (.ci/run installs it in .venv)");
  if (!process.env.HEADRACE_BROWSER && !onPath(BROWSERS))
    lines.push(`the inspection page, as there is no browser (HEADRACE_BROWSER, ${BROWSERS.join(", ")})`);
  return lines;
}

/** Whether a command of one of the names is on the path. */
function onPath(names) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return names.some((name) => folders.some((folder) => existsSync(join(folder, name))));
}

/** Which of the modules the Pythons that tests would use have, all together. */
function pythonModules(names) {
  const pythons = [process.env.HEADRACE_PYTHON, join(ROOT, ".venv/bin/python"), "python3"].filter(Boolean);
  const script = `import importlib.util as u\nprint(*[n for n in ${JSON.stringify(names)} if u.find_spec(n)])`;
  return pythons.flatMap((python) =>
    (spawnSync(python, ["-c", script], { encoding: "utf8" }).stdout ?? "").trim().split(" "),
  );
}

/** npm as it was started, or from the path. What it prints goes to standard error. */
function npm(args) {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  const isNpm = script && /npm-cli\.c?js$/.test(script) && node && existsSync(node);
  return isNpm
    ? runChild(node, [script, ...args], env, ["ignore", 2, 2])
    : runChild("npm", args, env, ["ignore", 2, 2]);
}

async function runOn(node, args) {
  const path = [dirname(node), join(ROOT, "node_modules/.bin"), process.env.PATH ?? ""].join(delimiter);
  return runChild(node, args, { ...process.env, PATH: path }, "inherit");
}

/** Runs a child in the checkout, passes signals on to it, and gives its exit status as a shell would. */
function runChild(command, args, env, stdio) {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio });
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    const forward = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, forward);
    const end = () => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.on("error", (error) => {
      end();
      failed(new Error(`cannot start ${command}: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      end();
      done(code ?? 128 + constants.signals[signal]);
    });
  });
}

async function step(what, work) {
  say(`setup: ${what} …`);
  const started = Date.now();
  const status = await work();
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (status !== 0)
    throw new Error(`${what} ended with exit status ${status} after ${seconds} s; the lines above say why`);
  say(`setup: ${what} took ${seconds} s`);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
