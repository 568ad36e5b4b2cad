/**
 * Lines of JSON as no serializer writes them, for property tests: keys twice and escaped, every escape, surrogates alone, white space
 * anywhere, and the same lines with a few bytes changed.
 */
import fc from "fast-check";

const space = fc.constantFrom("", "", "", " ", "\t", "\r", " \r\t");

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "grapheme", maxLength: 3 }).map(inString) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        '\\"',
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\n",
        "\\r",
        "\\t",
        "\\u0000",
        "\\u0041",
        "\\u00e9",
        "\\u20AC",
      ],
      ...[
        "\\uD83D\\uDE00",
        "\\ud83d\\ude00\\ud83d\\ude00",
        "\\ufeff",
        "\x7f",
        "\u0080",
        "\u2028",
        "\ufeff",
        "😀",
      ],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom("\\ud800", "\\udc00", "\\ud800x", "\\ud800\\ud800\\udc00") },
  { weight: 2, arbitrary: fc.nat(40).map((length) => "x".repeat(length)) },
);

/** The inside of a string. */
const content = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
const string = content.map((inside) => `"${inside}"`);
const scalar = fc.constantFrom(
  ...["null", "true", "false", "0", "-0", "7", "-12.5", "1e5", "0.25E+2", "1e-999", "1e999"],
  "123456789012345678901234567890",
);

const KEYS = [
  "text",
  "content",
  "meta",
  "redpajama_set_name",
  "body",
  "meta.redpajama_set_name",
  "body.text",
];
const key = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...KEYS, "", "0", "length", "__proto__", "toString") },
  { weight: 1, arbitrary: fc.constantFrom("t\\u0065xt", "met\\u0061", "\\/") },
  { weight: 1, arbitrary: content },
);
const domain = fc.constantFrom(
  '"RedPajamaC4"',
  '"RedPajama\\u0043ommonCrawl"',
  '"arxiv"',
  '"unknown"',
  '"é"',
);

const { value, object } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    string,
    domain,
    scalar,
    tie("object"),
    tie("array"),
  ),
  object: fc
    .array(
      fc
        .tuple(space, key, space, space, tie("value"), space)
        .map(([a, name, b, c, held, d]) => `${a}"${name}"${b}:${c}${held}${d}`),
      { maxLength: 5 },
    )
    .map((members) => `{${members.join(",")}}`),
  array: fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(" ,")}]`),
}));

/** A line that is JSON, mostly an object. */
export const jsonLine: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(string, domain, fc.boolean())
      .map(([text, name, first]) =>
        first
          ? `{"text":${text},"meta":{"redpajama_set_name":${name}}}`
          : `{"meta" : {"a":[],"redpajama_set_name": ${name}} , "text":${text}}`,
      ),
  },
  { weight: 6, arbitrary: object as fc.Arbitrary<string> },
  { weight: 1, arbitrary: value as fc.Arbitrary<string> },
);

/** A line with up to three bytes put in, taken out or replaced. */
export const mutatedLine: fc.Arbitrary<Buffer> = fc
  .tuple(
    jsonLine,
    fc.array(
      fc.record({
        at: fc.nat(),
        kind: fc.constantFrom("insert", "delete", "replace"),
        byte: fc.oneof(
          fc.constantFrom(...Buffer.from('{}[]",:\\/u0123456789aAfFeE.+-tnx \t\r')),
          fc.integer({ min: 0, max: 255 }),
        ),
      }),
      { maxLength: 3 },
    ),
  )
  .map(([line, changes]) => {
    let bytes = Buffer.from(line);
    for (const { at, kind, byte } of changes) {
      const place = at % (bytes.length + 1);
      bytes = Buffer.concat([
        bytes.subarray(0, place),
        kind === "delete" ? Buffer.alloc(0) : Buffer.of(byte),
        bytes.subarray(kind === "insert" ? place : place + 1),
      ]);
    }
    return bytes;
  });

function inString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
