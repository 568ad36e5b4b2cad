import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteRecordParser } from "../../pipeline/byte-records.ts";
import { quarantineCode } from "../../pipeline/incidents.ts";
import { recordParser, type SourceOptions } from "../../pipeline/records.ts";
import { invalidUtf8At } from "../../pipeline/utf8.ts";

/** What a line becomes: [domain, text], or the reason why it is no document. */
function parse(json: string | Uint8Array, options: SourceOptions = {}, source = "c4.jsonl", torn = false) {
  const bytes = Buffer.from(json);
  const line = { line: 7, byteFrom: 100, byteTo: 100 + bytes.length, bytes, torn };
  const record = recordParser(source, options)(line);
  assert.deepEqual(recordOf(byteRecordParser(source, options)(line)), recordOf(record));
  assert.equal(record.source, source);
  assert.equal(record.line, 7);
  if ("text" in record) return [record.domain, record.text];
  assert.deepEqual([record.byteFrom, record.byteTo], [100, 100 + bytes.length]);
  return record.domain === undefined ? record.reason : `${record.reason} [${record.domain}]`;
}

/** A record as plain data, its text a string. */
function recordOf(record: ReturnType<ReturnType<typeof recordParser>>) {
  return "text" in record
    ? { source: record.source, line: record.line, domain: record.domain, text: record.text }
    : record;
}

test("a record in SlimPajama's form says its domain", () => {
  const json = '{"text":"a\\/b","meta":{"redpajama_set_name":"RedPajamaArXiv"}}';
  assert.deepEqual(parse(json), ["arxiv", "a/b"]);
  assert.deepEqual(parse(json, {}, "x/y.jsonl"), ["arxiv", "a/b"]);
});

test("a record that does not say its domain has that of its path", () => {
  assert.deepEqual(parse('{"text":"a","meta":{"url":"u"}}'), ["c4", "a"]);
  assert.deepEqual(parse('{"text":"a","meta":null}'), ["c4", "a"]);
  assert.deepEqual(parse('{"text":"a","meta":{"redpajama_set_name":null}}'), ["c4", "a"]);
});

test("a domain can be fixed, taken from another field, mapped, or not be taken from the path", () => {
  const json = '{"text":"a","set":{"name":"pes2o"},"meta":{"redpajama_set_name":"RedPajamaC4"}}';
  assert.deepEqual(parse(json, { domain: "papers" }), ["papers", "a"]);
  assert.deepEqual(parse(json, { domainField: "set.name", domainMap: { pes2o: "papers" } }), ["papers", "a"]);
  assert.deepEqual(parse(json, { domainMap: { RedPajamaC4: "web" } }), ["web", "a"]);
  assert.deepEqual(parse(json, { domainField: null, domainMap: { c4: "web" } }), ["web", "a"]);
  assert.deepEqual(parse('{"text":"a","a.b":"cc"}', { domainField: "a.b" }), ["commoncrawl", "a"]);
  assert.equal(
    parse('{"text":"a"}', { domainFromPath: false }),
    "no-domain: no `meta.redpajama_set_name` in the record and no domain in the path; name it with --domain",
  );
  assert.equal(
    parse('{"text":"a"}', { domainField: null }, "x.jsonl"),
    "no-domain: no domain in the path; name it with --domain",
  );
});

test("a domain that no name is mapped to is quarantined, whatever the path", () => {
  assert.equal(
    parse('{"text":"a","meta":{"redpajama_set_name":"RedPajamaNews"}}'),
    'unmapped-domain: `meta.redpajama_set_name` is "RedPajamaNews", which no domain is mapped to; map it with --map-domain NAME=DOMAIN',
  );
  assert.equal(
    parse('{"text":"a","meta":{"redpajama_set_name":7}}'),
    "unmapped-domain: `meta.redpajama_set_name` is 7, which no domain is mapped to; map it with --map-domain NAME=DOMAIN",
  );
  assert.match(String(parse('{"text":"a","meta":{"redpajama_set_name":"toString"}}')), /^unmapped-domain: /);
});

test("the text is in the first of the text fields that is there", () => {
  assert.deepEqual(parse('{"content":"b","text":"a"}'), ["c4", "a"]);
  assert.deepEqual(parse('{"content":"b"}'), ["c4", "b"]);
  assert.deepEqual(parse('{"body":{"text":"c"},"text":"a"}', { textFields: ["body.text"] }), ["c4", "c"]);
  assert.deepEqual(parse('{"body":{"text":["c"]}}', { textFields: ["body.text.0"] }), ["c4", "c"]);
});

test("a record without text says which fields it has", () => {
  assert.equal(
    parse('{"body":"a","meta":{}}', { textFields: ["text"] }),
    "no-text: no `text`; fields seen: body, meta [c4]",
  );
  assert.equal(parse("{}"), "no-text: no `text` or `content`; fields seen: none [c4]");
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, i])));
  assert.equal(
    parse(many),
    "no-text: no `text` or `content`; fields seen: f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, 2 more [c4]",
  );
  assert.match(String(parse("{}", { textFields: ["toString"] })), /^no-text: /);
});

test("text that is empty or no string is quarantined", () => {
  assert.equal(parse('{"text":""}'), "empty-text: the text has no characters [c4]");
  assert.equal(parse('{"text":null}'), "text-not-string: the text field holds null, not a string [c4]");
  assert.equal(parse('{"text":["a"]}'), "text-not-string: the text field holds a list, not a string [c4]");
  assert.equal(
    parse('{"text":{"text":"a"}}'),
    "text-not-string: the text field holds an object, not a string [c4]",
  );
  assert.equal(parse('{"text":1e999}'), "text-not-string: the text field holds a number, not a string [c4]");
  assert.deepEqual(parse('{"text":" "}'), ["c4", " "]);
});

test("what is not an object of JSON is quarantined with its beginning and end", () => {
  assert.equal(parse('["a"]'), 'not-object: the line is a list, not an object: "[\\"a\\"]" [c4]');
  assert.equal(parse("null"), 'not-object: the line is null, not an object: "null" [c4]');
  assert.equal(parse('{"text":"a"'), 'bad-json: 11 bytes that are not JSON: "{\\"text\\":\\"a\\"" [c4]');
  assert.equal(
    parse(`{"text":"${"a".repeat(100)}`),
    `bad-json: 109 bytes that are not JSON: "{\\"text\\":\\"${"a".repeat(41)}" to "${"a".repeat(30)}" [c4]`,
  );
  assert.match(String(parse("[".repeat(200_000))), /^bad-json: 200000 bytes/);
});

test("bytes that are not UTF-8 are quarantined with their place", () => {
  const at = (json: string) => parse(Buffer.from(json, "latin1"));
  assert.equal(at('\xff{"text":"a"}'), "bad-utf8: byte 0xff at 0 of the line is not UTF-8 [c4]");
  assert.equal(at('{"text":"\xe2\x82"}'), "bad-utf8: byte 0xe2 at 9 of the line is not UTF-8 [c4]");
  assert.equal(at('{"text":"a"}\xc3'), "bad-utf8: byte 0xc3 at 12 of the line is not UTF-8 [c4]");
  assert.equal(at('{"text":"\xed\xa0\x80"}'), "bad-utf8: byte 0xed at 9 of the line is not UTF-8 [c4]");
});

test("of a line that was torn a whole object is a record, and anything else a fragment", () => {
  assert.deepEqual(parse('{"text":"a"}', {}, "c4.jsonl", true), ["c4", "a"]);
  for (const part of ['{"text":"a', 'a"}}', "17", "\xff"])
    assert.equal(
      parse(Buffer.from(part, "latin1"), {}, "c4.jsonl", true),
      `fragment: ${part.length} bytes of a line that was torn by an unreadable stretch of the file [c4]`,
    );
});

test("no true part of a record's line is taken for a record", () => {
  const json = fc
    .json({ maxDepth: 3, stringUnit: "grapheme" })
    .map((value) => `{"text":"{\\"a\\":1}","x":${value},"y":{"text":"z"}}`);
  fc.assert(
    fc.property(json, (line) => {
      const bytes = Buffer.from(line);
      for (let at = 1; at < bytes.length; at++)
        for (const part of [bytes.subarray(0, at), bytes.subarray(at)])
          assert.match(String(parse(part, {}, "c4.jsonl", true)), /^fragment: /, `${part}`);
    }),
    { numRuns: 100 },
  );
});

test("a line that is too long is quarantined with its length", () => {
  const line = { line: 3, byteFrom: 10, byteTo: 31, bytes: null, torn: false };
  assert.deepEqual(recordParser("c4.jsonl", { maxDocumentBytes: 20 })(line), {
    source: "c4.jsonl",
    line: 3,
    byteFrom: 10,
    byteTo: 31,
    reason: "too-long: the line has 21 bytes, more than the 20 allowed",
    domain: "c4",
  });
});

test("of a key that occurs twice the last counts, and lone surrogates stay", () => {
  assert.deepEqual(parse('{"text":"a","text":"b"}'), ["c4", "b"]);
  assert.deepEqual(parse('{"text":"\\ud800x\\udc00"}'), ["c4", "\ud800x\udc00"]);
  assert.deepEqual(parse('{"__proto__":{"text":"no"},"text":"a","n":123456789012345678901234567890e999}'), [
    "c4",
    "a",
  ]);
  assert.match(String(parse('{"__proto__":{"text":"no"}}')), /^no-text: /);
});

test("options that cannot be are refused", () => {
  const refused = (options: SourceOptions) => () => recordParser("c4.jsonl", options);
  assert.throws(refused({ textFields: [] }), { code: "ERR_ARGUMENT", message: /no text field/ });
  assert.throws(refused({ domain: "No Domain" }), { code: "ERR_DOMAIN" });
  assert.throws(refused({ domainMap: { a: "A" } }), { code: "ERR_DOMAIN" });
  for (const maxDocumentBytes of [0, 1.5, Number.NaN, 2 ** 29])
    assert.throws(refused({ maxDocumentBytes }), { code: "ERR_ARGUMENT", message: /^maxDocumentBytes is / });
});

test("whatever the line, it becomes a document or a reason with a known code", () => {
  const codes = [
    "bad-utf8",
    "bad-json",
    "not-object",
    "no-text",
    "text-not-string",
    "empty-text",
    "no-domain",
    "unmapped-domain",
  ];
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.json().map((json) => Buffer.from(json)),
    fc.json().map((json) => Buffer.from(`{"text":${json},"meta":{"redpajama_set_name":${json}}}`)),
  );
  fc.assert(
    fc.property(line, fc.constantFrom("c4.jsonl", "x.jsonl"), (bytes, source) => {
      const record = recordParser(source)({
        line: 1,
        byteFrom: 0,
        byteTo: bytes.length,
        bytes: Buffer.from(bytes),
        torn: false,
      });
      if ("text" in record) assert.equal(typeof record.text, "string");
      else assert.ok(codes.includes(quarantineCode(record.reason)), record.reason);
    }),
    { numRuns: 1000 },
  );
});

test("the place of bad UTF-8 is where a strict decoder stops", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decodes = (bytes: Uint8Array, stream: boolean) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream });
      return true;
    } catch {
      return false;
    }
  };
  const unit = fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.string({ unit: "binary", maxLength: 3 }).map((text) => new TextEncoder().encode(text)),
    fc.constantFrom(
      ...[
        [0xe0, 0x9f, 0x80],
        [0xed, 0xa0, 0x80],
        [0xf0, 0x8f, 0x80, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
        [0xc1, 0x80],
      ].map((bytes) => Uint8Array.from(bytes)),
    ),
  );
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 6 }), (units) => {
      const bytes = Buffer.concat(units);
      const at = invalidUtf8At(bytes);
      if (decodes(bytes, false)) assert.equal(at, -1);
      else {
        assert.ok(at >= 0);
        assert.equal(strict.decode(bytes.subarray(0, at)), bytes.toString("utf8", 0, at));
        // A sequence starts at `at`; with what follows it is either bad or, at the end, not complete.
        assert.ok(!decodes(bytes.subarray(at, at + 4), false) || !decodes(bytes.subarray(at), false));
        assert.ok(
          [1, 2, 3, 4].every(
            (length) => !decodes(bytes.subarray(at, Math.min(at + length, bytes.length)), false),
          ),
        );
      }
    }),
    { numRuns: 2000 },
  );
});
