/**
 * The shape of the code: which folder may import which, what a file must have and must not have. A failure names file and line.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, posix, relative } from "node:path";
import { test } from "node:test";
import { ROOT } from "./support.ts";

/** What each folder may import besides itself. `entry` folders see only `index.ts` files of the others. */
const IMPORTS = {
  core: [],
  filters: ["core"],
  shards: ["core"],
  pipeline: ["core", "filters", "shards"],
  samplers: ["core", "shards"],
  trainer: ["core", "samplers"],
} as const satisfies Record<string, readonly string[]>;
const ENTRY_POINTS = [
  "index.ts",
  ...["filters", "shards", "pipeline", "samplers", "trainer"].map((f) => `${f}/index.ts`),
];
const TOP_LEVEL = [...Object.keys(IMPORTS), "scripts", "fixtures", "test", "bench", "docs", "examples"];
const MOST_LINES = 400;

interface Import {
  readonly file: string;
  readonly line: number;
  readonly target: string;
}

const sources = [
  "index.ts",
  ...TOP_LEVEL.filter((folder) => folder !== "test" && folder !== "docs").flatMap(filesOf),
].filter((file) => existsSync(join(ROOT, file)) && [".ts", ".mjs"].includes(extname(file)));
const tests = filesOf("test").filter((file) => file.endsWith(".ts") && !file.includes("/consumer/"));
const text = new Map([...sources, ...tests].map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
const imports = [...text].flatMap(([file, source]) => importsOf(file, source));

test("there is code to look at", () => {
  assert.ok(sources.includes("core/random.ts") && imports.length > 20);
});

test("imports are found in every form, with their lines", () => {
  const source =
    'import a, {\n  type B,\n} from "../c/d.ts";\nexport { e } from "./f.ts";\nimport "x";\nconst g = await import(' +
    '"./h.ts");\n';
  assert.deepEqual(importsOf("folder/file.ts", source).map(shown), [
    "folder/file.ts:1 imports c/d.ts",
    "folder/file.ts:4 imports folder/f.ts",
    "folder/file.ts:5 imports x",
    "folder/file.ts:6 imports folder/h.ts",
  ]);
});

test("imports between folders go one way", () => {
  const wrong = imports.filter(({ file, target }) => {
    const [from, to] = [folderOf(file), folderOf(target)];
    if (!isOurs(target) || from === to || !(from in IMPORTS)) return false;
    return !(IMPORTS[from as keyof typeof IMPORTS] as readonly string[]).includes(to);
  });
  assert.deepEqual(wrong.map(shown), []);
});

test("scripts, bench and examples import entry points only", () => {
  const wrong = imports.filter(
    ({ file, target }) =>
      ["scripts", "bench", "examples"].includes(folderOf(file)) &&
      isOurs(target) &&
      !["scripts", "bench", "fixtures"].includes(folderOf(target)) &&
      !ENTRY_POINTS.includes(target),
  );
  assert.deepEqual(wrong.map(shown), []);
});

test("the package never imports its scripts, fixtures, tests or benchmarks", () => {
  const wrong = imports.filter(
    ({ file, target }) =>
      (folderOf(file) in IMPORTS || file === "index.ts") &&
      ["scripts", "fixtures", "test", "bench", "examples"].includes(folderOf(target)),
  );
  assert.deepEqual(wrong.map(shown), []);
});

test("every relative import names a file that exists, with its extension", () => {
  const wrong = imports.filter(({ target }) => isOurs(target) && !existsSync(join(ROOT, target)));
  assert.deepEqual(wrong.map(shown), []);
});

test("the package imports only Node and the dependencies that it declares", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const wrong = imports.filter(
    ({ file, target }) =>
      [...Object.keys(IMPORTS), "scripts"].includes(folderOf(file)) &&
      !isOurs(target) &&
      !target.startsWith("node:") &&
      !declared.some((name) => target === name || target.startsWith(`${name}/`)),
  );
  assert.deepEqual(wrong.map(shown), []);
});

test("files do not import each other in a circle", () => {
  const next = Map.groupBy(
    imports.filter(({ target }) => isOurs(target)),
    ({ file }) => file,
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (done.has(file) || path.includes(file)) return;
    for (const { target } of next.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of text.keys()) visit(file, []);
  assert.deepEqual(circles, []);
});

test("there is no grab bag: no folder or file is called utils, common, helpers, shared or misc", () => {
  const wrong = [...text.keys()].filter((file) =>
    /(^|\/)(utils?|common|helpers?|shared|misc|lib)(\/|\.)/.test(file),
  );
  assert.deepEqual(wrong, []);
});

test("the top level holds the folders of the layout and no other", () => {
  const folders = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const ignored = ["node_modules", "dist"];
  const strays = folders
    .map(({ name }) => name)
    .filter((name) => !name.startsWith(".") && !ignored.includes(name));
  assert.deepEqual(strays.sort(), [...TOP_LEVEL].sort());
});

test("there is no default export, no export of everything, and no process.exit in what we ship", () => {
  assert.deepEqual(
    [...text].flatMap(([file, source]) => [
      ...linesWith(file, source, /^export default\b/),
      ...linesWith(file, source, /^export \*/),
      ...(sources.includes(file) ? linesWith(file, source, /\bprocess\s*\.\s*exit\s*\(/) : []),
    ]),
    [],
  );
});

test("an index.ts is a flat list of named exports", () => {
  const indexes = [...text].filter(([file]) => posix.basename(file) === "index.ts");
  assert.ok(indexes.length > 0);
  const rest = indexes.map(([file, source]) => {
    const bare = withoutComments(source).replaceAll(/^export (type )?\{[^}]*\} from "[^"]+";$/gm, "");
    return bare.trim() === "" ? "" : `${file}: ${bare.trim().split("\n")[0]}`;
  });
  assert.deepEqual(rest.filter(Boolean), []);
});

test("every source file opens with a comment that says what it is", () => {
  assert.deepEqual(
    sources
      .filter((file) => !/^(#![^\n]*\n)?\/\*\*(\n \*)? \S/.test(text.get(file) ?? ""))
      .map((file) => `${file}:1`),
    [],
  );
});

test(`no source file is longer than ${MOST_LINES} lines`, () => {
  const lengths = sources.map((file) => ({ file, lines: (text.get(file) ?? "").split("\n").length - 1 }));
  assert.deepEqual(
    lengths.filter(({ lines }) => lines > MOST_LINES),
    [],
  );
});

test("every dependency has its sentence in docs/decisions", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const names = Object.keys({
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.devDependencies,
  });
  const page = readFileSync(join(ROOT, "docs/decisions/README.md"), "utf8");
  assert.deepEqual(
    names.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});

test("every folder of fixtures has its section in fixtures/README.md", () => {
  const page = readFileSync(join(ROOT, "fixtures/README.md"), "utf8");
  const folders = readdirSync(join(ROOT, "fixtures"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  assert.deepEqual(
    folders.map(({ name }) => name).filter((name) => !page.includes(`## ${name}/`)),
    [],
  );
});

function filesOf(folder: string): readonly string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes("node_modules"))
    .sort();
}

/** Static, re-exporting and dynamic imports, with the line each is on and its target as a path from the root. */
function importsOf(file: string, source: string): readonly Import[] {
  const found = /^(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...source.matchAll(found)].map((match) => {
    const name = match[1] ?? match[2] ?? match[3] ?? "";
    const target = name.startsWith(".") ? posix.normalize(posix.join(dirname(file), name)) : name;
    // AssemblyScript's imports carry no extension.
    const assembly = /^(pipeline\/tokenizer|filters\/rules)\/kernel\//.test(file);
    return { file, line: lineOf(source, match.index), target: assembly ? `${target}.ts` : target };
  });
}

function isOurs(target: string): boolean {
  return ENTRY_POINTS.includes(target) || TOP_LEVEL.includes(folderOf(target));
}

function folderOf(file: string): string {
  return file.split("/")[0] ?? "";
}

function shown({ file, line, target }: Import): string {
  return `${file}:${line} imports ${target}`;
}

function linesWith(file: string, source: string, pattern: RegExp): readonly string[] {
  return source
    .split("\n")
    .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1} ${line.trim()}`] : []));
}

function lineOf(source: string, index: number): number {
  return source.slice(0, index).split("\n").length;
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}
