/**
 * What a test may need that is not always there. Absent, the test is skipped with the reason; under HEADRACE_REQUIRE=1 it fails instead.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after } from "node:test";

export const ROOT = resolve(import.meta.dirname, "..");

const required = process.env["HEADRACE_REQUIRE"] === "1";

/** A folder that is removed when the test file ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "headrace-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The shared data folder, `$HEADRACE_SHARED` or `../shared`; use as `{ skip: shared.missing }`. */
export const shared = (() => {
  const path = process.env["HEADRACE_SHARED"] ?? resolve(ROOT, "../shared");
  const sample = join(path, "data/redpajama-sample");
  return {
    path,
    sample,
    labels: join(path, "data/labels"),
    missing: absent(existsSync(sample), "the shared sample is not here"),
  };
})();

/** A Python that imports the modules, from `$HEADRACE_PYTHON`, `.venv` or the path. */
export function python(...modules: readonly string[]): {
  readonly command: string;
  readonly missing: string | false;
} {
  const candidates = [process.env["HEADRACE_PYTHON"], join(ROOT, ".venv/bin/python"), "python3"];
  const script = modules.map((name) => `import ${name}`).join("\n") || "pass";
  for (const command of candidates)
    if (command && spawnSync(command, ["-c", script], { stdio: "ignore" }).status === 0)
      return { command, missing: false };
  return {
    command: "python3",
    missing: absent(false, `no Python with ${modules.join(", ") || "anything"} was found`),
  };
}

/** The path of a browser of Chromium's kind: `$HEADRACE_BROWSER`, or the first of the usual names on the path. */
export function browser(): { readonly path: string; readonly missing: string | false } {
  const names = "chromium chromium-browser google-chrome google-chrome-stable chrome microsoft-edge msedge";
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = names.split(" ").flatMap((name) => folders.map((folder) => join(folder, name)));
  const path = [process.env["HEADRACE_BROWSER"] ?? "", ...candidates].find(
    (candidate) => candidate !== "" && existsSync(candidate),
  );
  const reason = installed("playwright-core")
    ? `no browser was found (HEADRACE_BROWSER, ${names.replaceAll(" ", ", ")})`
    : "playwright-core is not installed (npm ci)";
  return {
    path: path ?? "",
    missing: absent(path !== undefined && installed("playwright-core"), reason),
  };
}

/** Why tests that need an optional package are skipped; false where it is installed. */
export function optionalPackage(name: string): string | false {
  return installed(name) ? false : `the optional package ${name} is not installed`;
}

function installed(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Why the Python package's own tests need not run: whoever started these ran them before. */
export const pytestDone: string | false =
  process.env["HEADRACE_PYTEST"] === "done" && "the Python tests ran before these";

function absent(present: boolean, reason: string): string | false {
  if (present) return false;
  if (required) throw new Error(`${reason}, and HEADRACE_REQUIRE=1 asks for it`);
  return reason;
}
