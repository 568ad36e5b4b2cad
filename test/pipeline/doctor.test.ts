import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  diskFinding,
  doctor,
  machineFinding,
  openFilesFinding,
  runtimeFinding,
} from "../../pipeline/doctor.ts";
import { temporaryFolder } from "../support.ts";

test("Node below 22.18 is refused with the way out", () => {
  assert.deepEqual(
    ["22.17.1", "20.19.0", "22.18.0", "26.10.0"].map((version) => runtimeFinding(version).status),
    ["fail", "fail", "ok", "ok"],
  );
  assert.equal(
    runtimeFinding("20.19.0").message,
    "Node 20.19.0; install Node 22.18 or newer; 26 is what headrace is developed on",
  );
  assert.equal(runtimeFinding("24.1.0").message, "Node 24.1.0");
});

test("few open files and little disk are a warning, too few and too little a failure", () => {
  assert.deepEqual(
    [255, 256, 1023, 1024, Number.POSITIVE_INFINITY].map((limit) => openFilesFinding(limit).status),
    ["fail", "warn", "warn", "ok", "ok"],
  );
  assert.equal(openFilesFinding(256).message, 'at most 256 at a time; raise it with "ulimit -n 4096"');
  assert.deepEqual(
    [0.9e9, 1e9, 19e9, 20e9].map((free) => diskFinding("/data", free).status),
    ["fail", "warn", "warn", "ok"],
  );
  assert.equal(
    machineFinding(64, 8e9).message,
    "64 processors, 8.0 GB of memory; a worker takes up to 0.4 GB; use at most --workers 20",
  );
});

/** A program that stands in for Python and prints `line`. */
function python(folder: string, line: string): string {
  const path = join(folder, "python");
  writeFileSync(path, `#!/bin/sh\necho '${line}'\n`);
  chmodSync(path, 0o755);
  return path;
}

test("a machine on which the tests run can build, and the output folder is left as it was", async () => {
  const folder = temporaryFolder();
  const out = join(folder, "there");
  mkdirSync(out);
  const findings = await doctor({
    out: join(out, "not/yet"),
    python: python(folder, '["3.12.1","2.1.0",null,null]'),
  });
  assert.deepEqual(readdirSync(out), []);
  const of = Object.fromEntries(findings.map(({ check, ...rest }) => [check, rest]));
  for (const check of ["runtime", "zstd", "tokenizer", "file system", "ledger", "python", "numpy"])
    assert.equal(of[check]!.status, "ok", `${check}: ${of[check]!.message}`);
  assert.equal(of["file system"]!.message, `${out} takes files and locks, flushes and renames them`);
  assert.equal(of["numpy"]!.message, "2.1.0");
  assert.match(
    of["torch"]!.message,
    /^not there; only the torch trainer needs it; run ".*python -m pip install torch"$/,
  );
  assert.deepEqual([of["torch"]!.status, of["gpu"]], ["warn", undefined]);
  const other = await doctor({
    out,
    python: python(folder, '["3.12.1","2.1.0","2.9.0","NVIDIA H100, 1 in all"]'),
  });
  assert.deepEqual(
    other
      .filter(({ check }) => check === "gpu" || check === "torch")
      .map(({ status, message }) => [status, message]),
    [
      ["ok", "2.9.0"],
      ["ok", "NVIDIA H100, 1 in all"],
    ],
  );
});

test("an output folder that is a file is a failure, and a Python that is not there a warning", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "");
  const findings = await doctor({ out: join(folder, "file/under"), python: join(folder, "none") });
  const of = Object.fromEntries(findings.map(({ check, ...rest }) => [check, rest]));
  assert.equal(of["file system"]!.status, "fail");
  assert.match(of["file system"]!.message, /permit writing there, or name another --out$/);
  assert.equal(of["python"]!.status, "warn");
  assert.match(of["python"]!.message, /none does not run: .* or set HEADRACE_PYTHON$/);
  assert.equal(of["numpy"], undefined);
});
