import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteRecordParser } from "../../pipeline/byte-records.ts";
import { ABSENT, bytePath, jsonScanner, UNJUDGED } from "../../pipeline/json-scanner.ts";
import { recordParser, type SourceOptions } from "../../pipeline/records.ts";
import { jsonLine, mutatedLine } from "./json-lines.ts";

const scanner = jsonScanner()!;

/** The object that a line is to JSON.parse; undefined for anything else. */
function objectOf(line: Uint8Array): object | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What a parser makes of a line, with the bytes that a document came in. */
function outcome(parser: typeof recordParser, bytes: Buffer, options: SourceOptions, torn = false) {
  const line = { line: 7, byteFrom: 100, byteTo: 100 + bytes.length, bytes, torn };
  const record = parser("c4/x.jsonl", options)(line);
  if (!("text" in record)) return record;
  const { source, line: number, domain, text, scores, utf8 } = record;
  if (utf8) assert.ok(Buffer.from(text).equals(utf8) && text.isWellFormed());
  return { source, line: number, domain, text, scores };
}

const options: fc.Arbitrary<SourceOptions> = fc.constantFrom<SourceOptions>(
  {},
  { textFields: ["body.text", "text"] },
  { textFields: ["meta.redpajama_set_name", "body.0.text", "content"], domain: "c4" },
  { textFields: ["__proto__", "body.length", "text.length", ""], domainField: "meta" },
  { domainField: "meta.meta.redpajama_set_name", domainMap: { é: "web" } },
  { domainField: "text", domainFromPath: false },
  { domainField: null },
  {
    scoreFields: [
      { name: "q", path: "content", dropWhen: "low", scale: 1, missing: "keep", cut: null },
      { name: "r", path: "body.0", dropWhen: "high", scale: 1, missing: "quarantine", cut: 0 },
    ],
  },
);

test("any line of JSON, whole or with bytes changed, has the outcome that JSON.parse gives it", () => {
  let documents = 0;
  fc.assert(
    fc.property(mutatedLine, options, fc.boolean(), (bytes, given, torn) => {
      const expected = outcome(recordParser, bytes, given, torn);
      assert.deepEqual(outcome(byteRecordParser, bytes, given, torn), expected);
      if ("text" in expected) documents++;
    }),
    { numRuns: 20_000 },
  );
  assert.ok(documents > 1_000, `${documents} were documents`);
});

test("a line is scanned if, and only if, it is an object to JSON.parse", () => {
  let objects = 0;
  fc.assert(
    fc.property(mutatedLine, (bytes) => {
      const object = objectOf(bytes);
      assert.equal(scanner.scan(bytes), object !== undefined);
      if (object !== undefined) objects++;
    }),
    { numRuns: 20_000 },
  );
  assert.ok(objects > 5_000 && objects < 19_000, `${objects} were objects`);
});

test("the field at a path is the one of the object that JSON.parse makes, where no key is escaped and no list is entered", () => {
  const paths = ["text", "meta", "meta.redpajama_set_name", "body.text", "meta.body.text", "__proto__", ""];
  const seen = { absent: 0, unjudged: 0, found: 0 };
  fc.assert(
    fc.property(jsonLine, fc.constantFrom(...paths), (line, name) => {
      if (!scanner.scan(Buffer.from(line))) return;
      const place = scanner.find(bytePath({ name, keys: name.split(".") }));
      if (place === UNJUDGED) {
        assert.match(line, /\\|\[/);
        seen.unjudged++;
        return;
      }
      const object = JSON.parse(line) as Readonly<Record<string, unknown>>;
      const inside = (at: unknown, key: string): unknown =>
        typeof at === "object" && at !== null && Object.hasOwn(at, key)
          ? (at as Readonly<Record<string, unknown>>)[key]
          : undefined;
      const whole = inside(object, name);
      const expected = whole === undefined ? name.split(".").reduce(inside, object as unknown) : whole;
      assert.deepEqual(place === ABSENT ? undefined : scanner.value(place), expected);
      seen[place === ABSENT ? "absent" : "found"]++;
    }),
    { numRuns: 10_000 },
  );
  assert.ok(Math.min(seen.absent, seen.unjudged, seen.found) > 100, JSON.stringify(seen));
});

test("strings of every length are spelled right, wherever their escapes stand", () => {
  for (let length = 0; length < 70; length++)
    for (let at = 0; at <= length; at++)
      for (const escaped of ["\\n", "\\u0430", "\\ud83d\\ude00", '\\"\\\\']) {
        const inside = "é".repeat(at >> 1) + "x".repeat(at & 1) + escaped + "y".repeat(length - at);
        const line = Buffer.from(`{"text":"${inside}","z":"${inside}"}`);
        assert.ok(scanner.scan(line));
        const place = scanner.find(bytePath({ name: "text", keys: ["text"] }));
        assert.equal(Buffer.from(scanner.text(place) ?? []).toString(), JSON.parse(`"${inside}"`), inside);
      }
});

test("what is too long, too deep or too wide for the scanner has its outcome all the same", () => {
  const nested = (depth: number) => `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`;
  const wide = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":${i}`).join();
  for (const [scanned, rest] of [
    [true, `"a":${nested(512)}`],
    [false, `"a":${nested(513)}`],
    [true, wide(511)],
    [false, wide(512)],
    [true, `"a":"${"x".repeat(4 * 1024 * 1024 - 24)}"`],
    [false, `"a":"${"x".repeat(4 * 1024 * 1024)}"`],
  ] as const) {
    const bytes = Buffer.from(`{"text":"\\u0430",${rest}}`);
    assert.equal(scanner.scan(bytes), scanned, `${bytes.length} bytes`);
    assert.deepEqual(outcome(byteRecordParser, bytes, {}), outcome(recordParser, bytes, {}));
  }
});

test("a document holds its text as UTF-8, and as a string when it is asked for; a lone surrogate makes it a string", () => {
  const parse = (text: string) => {
    const bytes = Buffer.from(`{"text":"${text}"}`);
    const record = byteRecordParser("c4.jsonl")({
      line: 1,
      byteFrom: 0,
      byteTo: bytes.length,
      bytes,
      torn: false,
    });
    assert.ok("text" in record);
    return record;
  };
  const first = parse("\ufeff\\ud83d\\ude00 a\\/b");
  for (let i = 0; i < 300; i++) parse("z".repeat(10_000));
  assert.deepEqual(
    first.utf8 && Buffer.from(first.utf8).toString("latin1"),
    "\xef\xbb\xbf\xf0\x9f\x98\x80 a/b",
  );
  assert.equal(first.text, "\ufeff😀 a/b");
  assert.deepEqual([parse("\\ud83d").utf8, parse("\\ud83d").text], [undefined, "\ud83d"]);
});

test("without WebAssembly every line goes to JSON.parse", () => {
  const bytes = Buffer.from('{"text":"a"}');
  const line = { line: 1, byteFrom: 0, byteTo: bytes.length, bytes, torn: false };
  const record = byteRecordParser("c4.jsonl", {}, undefined, null)(line);
  assert.deepEqual(record, { source: "c4.jsonl", line: 1, domain: "c4", text: "a" });
});

test("a text inside another object stays what it is when the domain is looked up inside a third", () => {
  const bytes = Buffer.from('{"body":{"text":"the text"},"meta":{"set":"a longer name than that"}}');
  const options: SourceOptions = {
    textFields: ["body.text"],
    domainField: "meta.set",
    domainMap: { "a longer name than that": "web" },
  };
  assert.deepEqual(outcome(byteRecordParser, bytes, options), outcome(recordParser, bytes, options));
  const line = { line: 1, byteFrom: 0, byteTo: bytes.length, bytes, torn: false };
  const record = byteRecordParser("x.jsonl", options)(line);
  assert.ok("text" in record && record.utf8);
  assert.equal(record.domain, "web");
});
