import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { ROOT, temporaryFolder } from "../support.ts";

/** Writes what it was asked to do to npm.log, puts a node_modules in place for `ci`, and fails at everything else. */
const NPM = `
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
appendFileSync("npm.log", process.argv.slice(2).join(" ") + " skip=" + process.env.ONNXRUNTIME_NODE_INSTALL + "\\n");
if (process.argv[2] === "ci") { mkdirSync("node_modules", { recursive: true }); writeFileSync("node_modules/.package-lock.json", "{}"); }
else process.exitCode = 3;
`;

interface Checkout {
  readonly folder: string;
  write(path: string, content: string): void;
  start(...args: readonly string[]): ChildProcess;
  run(
    ...args: readonly string[]
  ): Promise<{ readonly status: number; readonly said: string; readonly npm: string }>;
}

test("an installed checkout runs its tests at once and gives the runner's exit status", async () => {
  const checkout = installedCheckout();
  checkout.write("test/deep/a.test.ts", 'import { test } from "node:test";\ntest("passes", () => {});\n');
  const passed = await checkout.run("test");
  assert.equal(passed.status, 0, passed.said);
  assert.equal(passed.npm, "");
  checkout.write(
    "test/b.test.ts",
    'import { test } from "node:test";\ntest("fails", () => { throw new Error("no"); });\n',
  );
  assert.equal((await checkout.run("test")).status, 1);
  assert.equal((await checkout.run("test", "test/deep/a.test.ts")).status, 0);
  assert.equal((await checkout.run("test", "--test-name-pattern=passes")).status, 0);
});

test("without node_modules, npm ci runs first, with the CUDA download off; a second start needs no npm", async () => {
  const checkout = newCheckout();
  const first = await checkout.run("start", "--quick");
  assert.equal(first.npm, "ci --no-audit --no-fund --loglevel=error skip=skip\n");
  assert.match(first.said, /^setup: installing packages \(npm ci\) took \d+\.\d s$/m);
  assert.match(first.said, /started with --quick/);
  assert.equal(first.status, 0, first.said);
  assert.equal((await checkout.run("start")).npm, first.npm);
});

test("a package-lock.json that changed is installed again", async () => {
  const checkout = newCheckout();
  await checkout.run("start");
  checkout.write("package-lock.json", '{ "changed": true }');
  assert.equal((await checkout.run("start")).npm.split("\n").length, 3);
});

test("node_modules that npm installed by itself is accepted if it is newer than the lock file", async () => {
  const checkout = installedCheckout();
  utimesSync(join(checkout.folder, "package-lock.json"), new Date(), new Date(Date.now() + 60_000));
  assert.match((await checkout.run("start")).npm, /^ci /);
});

test("where the pinned Node is not in place, its platform package is tried, then this Node, and it says so", async () => {
  const checkout = installedCheckout("99.0.0");
  const run = await checkout.run("start");
  assert.match(run.npm, /^install --prefix .* node-(bin-)?\w+-\w+@99\.0\.0 skip=skip\n$/);
  assert.match(run.said, /node_modules\/\.bin\/node is not Node 99\.0\.0/);
  assert.ok(run.said.includes(`setup: running on Node ${process.versions.node} instead of 99.0.0`));
  assert.equal(run.status, 0);
});

test("a signal reaches the command, and its answer is the exit status", async () => {
  const checkout = installedCheckout();
  checkout.write(
    "scripts/demo.ts",
    'process.on("SIGTERM", () => { process.exitCode = 7; clearInterval(timer); });\nconst timer = setInterval(() => {}, 1000);\nconsole.log("ready");\n',
  );
  const child = checkout.start("start");
  for await (const chunk of child.stdout ?? []) {
    if (String(chunk).includes("ready")) child.kill("SIGTERM");
  }
  if (child.exitCode === null) await once(child, "close");
  assert.equal(child.exitCode, 7);
});

test("an unknown command is named, with exit status 2", async () => {
  const run = await newCheckout().run("go");
  assert.equal(run.status, 2);
  assert.equal(run.said, 'setup: "go" is not a command; use npm start or npm test\n');
});

/** A folder that looks like a fresh clone to setup.mjs, with an npm of ours. */
function newCheckout(pinned = process.versions.node): Checkout {
  const folder = temporaryFolder();
  const write = (path: string, content: string): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  write("package.json", JSON.stringify({ type: "module", devDependencies: { node: pinned } }));
  write("package-lock.json", "{}");
  write("fake/npm-cli.js", NPM);
  write("scripts/demo.ts", 'console.error("started with " + process.argv.slice(2).join(" "));\n');
  write("npm.log", "");
  copyFileSync(join(ROOT, "scripts/setup.mjs"), join(folder, "scripts/setup.mjs"));
  mkdirSync(join(folder, ".headrace/node", pinned, "node_modules", platformPackage(), "bin"), {
    recursive: true,
  });
  if (pinned === process.versions.node)
    symlinkSync(
      process.execPath,
      join(folder, ".headrace/node", pinned, "node_modules", platformPackage(), "bin/node"),
    );

  const start = (...args: readonly string[]): ChildProcess => {
    const clean = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|NODE_(OPTIONS|TEST|V8|CHANNEL))/i.test(name),
    );
    const env = {
      ...Object.fromEntries(clean),
      npm_execpath: join(folder, "fake/npm-cli.js"),
      npm_node_execpath: process.execPath,
    };
    return spawn(process.execPath, ["scripts/setup.mjs", ...args], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  const run: Checkout["run"] = async (...args) => {
    const child = start(...args);
    const closed = once(child, "close");
    const [said] = await Promise.all([text(child.stderr!), text(child.stdout!), closed]);
    return { status: child.exitCode ?? -1, said, npm: readFileSync(join(folder, "npm.log"), "utf8") };
  };
  return { folder, write, start, run };
}

function installedCheckout(pinned?: string): Checkout {
  const checkout = newCheckout(pinned);
  checkout.write("node_modules/.package-lock.json", "{}");
  return checkout;
}

function platformPackage(): string {
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  return `${prefix}-${process.platform}-${process.arch}`;
}
