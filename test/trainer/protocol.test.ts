import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type ClientMessage,
  formatAddress,
  formatMessage,
  type HostMessage,
  lineSplitter,
  MESSAGE_BYTES,
  parseAddress,
  parseClientMessage,
  parseHostMessage,
} from "../../trainer/index.ts";

const CLIENT: readonly ClientMessage[] = [
  { type: "hello", protocol: 1, token: "t", rank: 0, world: 2, client: "x/1" },
  { type: "ready", batch: 3, stages: 1, hash: "ab" },
  { type: "ack", batch: 3, served: "0123456789abcdef" },
  { type: "ack", batch: 4, served: "0123456789abcdef", loss: 2.5, tokens: 10, seconds: 0.5 },
  { type: "report", report: { anything: [1] } },
  { type: "checkpoint", batch: 4 },
  { type: "heartbeat" },
  { type: "done", batch: 9 },
  { type: "error", message: "é\u2028" },
];

const HOST: readonly HostMessage[] = [
  {
    type: "welcome",
    protocol: 1,
    mode: "train",
    run: "/run",
    shards: "/shards",
    batches: 9,
    everyBatches: null,
    checkpoints: "/run/checkpoints",
    evaluation: { rowTokens: 16, tokensPerDomain: 128 },
    heartbeatSeconds: 0.5,
    timeoutSeconds: 60,
  },
  { type: "stage", stages: 2, hash: "cd", decidedUntil: null },
  { type: "stop", reason: "interrupted" },
  { type: "heartbeat" },
  { type: "error", code: "ERR_LOSS", message: "no" },
];

describe("protocol", () => {
  it("reads every message as it was written", () => {
    for (const message of CLIENT) assert.deepEqual(parseClientMessage(formatMessage(message)), message);
    for (const message of HOST) assert.deepEqual(parseHostMessage(formatMessage(message)), message);
  });

  it("reads lines however the stream is cut", () => {
    const bytes = Buffer.from([...CLIENT, ...HOST].map(formatMessage).join(""));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (cuts) => {
        const splitter = lineSplitter();
        const lines: string[] = [];
        let from = 0;
        for (const to of [...cuts.sort((a, b) => a - b), bytes.length]) {
          lines.push(...splitter.push(bytes.subarray(from, to)));
          from = to;
        }
        assert.equal(lines.map((line) => `${line}\n`).join(""), bytes.toString());
      }),
    );
  });

  it("ignores fields that it does not know", () => {
    assert.deepEqual(parseClientMessage('{"type":"done","batch":1,"mood":"good"}'), {
      type: "done",
      batch: 1,
    });
  });

  it("names the field, the value and the line of a message that does not parse", () => {
    for (const [line, message] of [
      ["", /is not JSON/],
      ["[]", /message from the trainer is \[\]; expected an object/],
      [
        '{"type":"hail"}',
        /has type "hail"; known: hello, ready, ack, report, checkpoint, heartbeat, done, error/,
      ],
      ['{"type":"toString"}', /has type "toString"/],
      ['{"type":"ready","batch":-1,"stages":0,"hash":""}', /\.batch is -1; expected a whole number from 0/],
      [
        '{"type":"ack","batch":0,"served":"XYZ"}',
        /\.served is "XYZ"; expected 16 lower-case hex digits; the line was/,
      ],
      ['{"type":"hello","protocol":1,"token":"t","rank":0,"world":0,"client":""}', /\.world is 0/],
      [`{"type":"error","message":${"9".repeat(200)}}`, /the line was .{80,100}\.\.\."$/],
    ] as const)
      assert.throws(() => parseClientMessage(line), { code: "ERR_PARSE", message });
    assert.throws(() => parseHostMessage('{"type":"ready"}'), {
      code: "ERR_PARSE",
      message: /message from headrace has type/,
    });
  });

  it("passes a bare NaN on to the check of the report, which can name the domain", () => {
    const line =
      '{"type":"report","report":{"domains":{"a":{"lossSum":NaN,"tokens":1},"b":{"lossSum": -Infinity}}}}';
    assert.deepEqual(parseClientMessage(line), {
      type: "report",
      report: { domains: { a: { lossSum: "NaN", tokens: 1 }, b: { lossSum: "-Infinity" } } },
    });
  });

  it("gives up a line over the limit before it is whole", () => {
    const splitter = lineSplitter();
    const chunk = Buffer.alloc(65_536, "x");
    assert.throws(
      () => {
        for (let i = 0; i <= MESSAGE_BYTES / chunk.length; i++) splitter.push(chunk);
      },
      { code: "ERR_PARSE", message: /at most 1048576 are read/ },
    );
    const whole = lineSplitter();
    assert.equal(whole.push(Buffer.from(`${"x".repeat(MESSAGE_BYTES - 1)}\n`)).length, 1);
    assert.throws(() => lineSplitter().push(Buffer.from(`${"x".repeat(MESSAGE_BYTES)}\n`)), {
      code: "ERR_PARSE",
    });
  });

  it("reads addresses as they are written, and refuses others", () => {
    for (const text of ["unix:/a b/c", "tcp:localhost:80", "tcp:[::1]:65535", "tcp:10.0.0.1:0"])
      assert.equal(formatAddress(parseAddress(text)), text);
    for (const text of ["unix:relative", "tcp:host", "tcp:::1:80", "tcp:h:65536", "http://x", ""])
      assert.throws(() => parseAddress(text), {
        code: "ERR_ARGUMENT",
        message: /is not unix:.* or tcp:host:port/,
      });
  });
});
