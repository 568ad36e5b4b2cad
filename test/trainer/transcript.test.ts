/**
 * The transcript of docs/trainer-protocol.md is what a host says and hears, byte for byte but for the token; and no bytes whatever make a host crash,
 * hang, or keep more than it says it keeps.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { HeadraceError } from "../../core/errors.ts";
import { connectTrainer, type Host, type HostHandler, openHost, parseAddress } from "../../trainer/index.ts";
import { ROOT } from "../support.ts";

interface Said {
  readonly from: "client" | "host";
  readonly rank: number;
  readonly line: Record<string, unknown>;
}

const TRANSCRIPT: readonly Said[] = readFileSync(join(ROOT, "fixtures/protocol/transcript.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

async function open(
  heard: unknown[],
  times: { start?: number; stall?: number; beat?: number } = {},
): Promise<Host> {
  const handler: HostHandler = {
    ready: async ({ batch }) => void heard.push(["ready", batch]),
    acknowledge: async (batch, served) => void heard.push(["ack", batch, served]),
    report: async (report) => {
      if (typeof report !== "object" || report === null || !("measuredAt" in report))
        throw new HeadraceError("ERR_LOSS", "the loss report is none");
      heard.push(["report", report.measuredAt]);
      return { stages: 2, hash: "ef", decidedUntil: 4 };
    },
    checkpoint: async (batch) => void heard.push(["checkpoint", batch]),
  };
  const { type: _, protocol: __, ...welcome } = TRANSCRIPT[1]!.line as never as Record<string, never>;
  return await openHost({
    handler,
    startSeconds: times.start ?? 20,
    stallSeconds: times.stall ?? 20,
    welcome: { ...(welcome as object), heartbeatSeconds: times.beat ?? 5 } as never,
  });
}

function dial({ address }: Host): Socket {
  const where = parseAddress(address);
  assert.ok(where.kind === "unix");
  const socket = createConnection(where.path);
  socket.on("error", () => {});
  return socket;
}

/** Lines that a socket receives, one at a time; null at its end. Heartbeats are left out. */
function linesOf(socket: Socket): () => Promise<string | null> {
  const lines: string[] = [];
  let pending = "";
  let ended = false;
  socket.setEncoding("utf8").on("data", (text: string) => {
    const parts = (pending + text).split("\n");
    pending = parts.pop()!;
    lines.push(...parts.filter((line) => line !== '{"type":"heartbeat"}'));
  });
  socket.on("close", () => {
    ended = true;
  });
  return async () => {
    for (let waited = 0; waited < 5000 && lines.length === 0 && !ended; waited += 5) await sleep(5);
    return lines.shift() ?? null;
  };
}

it("the documented transcript is what a host hears and answers", async () => {
  const heard: unknown[] = [];
  const host = await open(heard);
  const sockets = [dial(host), dial(host)];
  const next = sockets.map(linesOf);
  for (const { from, rank, line } of TRANSCRIPT)
    if (from === "client") {
      sockets[rank]!.write(
        `${JSON.stringify({ ...line, ...(line["token"] ? { token: host.token } : {}) })}\n`,
      );
      // Sockets are served side by side; the transcript is in the order of one clock.
      await sleep(10);
    } else assert.deepEqual(JSON.parse((await next[rank]!())!), line.type === "welcome" ? { ...line } : line);
  assert.equal(await host.finished, 3);
  assert.deepEqual(heard, [
    ["ready", 0],
    ["ack", 0, "0000000200000000"],
    ["ack", 1, "0000000200000000"],
    ["report", 2],
    ["checkpoint", 2],
    ["ack", 2, "0000000200000000"],
  ]);
  await host.close();
});

describe("whatever bytes a connection brings", () => {
  const stray: unknown[] = [];
  const listener = (error: unknown) => void stray.push(error);
  process.on("unhandledRejection", listener);
  after(() => {
    process.off("unhandledRejection", listener);
    assert.deepEqual(stray, []);
  });

  const hello = (token: string) => ({ ...TRANSCRIPT[0]!.line, token, world: 1 });
  const sane = TRANSCRIPT.filter(({ from, line }) => from === "client" && line.type !== "hello").map(
    ({ line }) => line,
  );
  const fields = fc.constantFrom("type", "batch", "stages", "hash", "served", "report", "loss", "tokens");
  const anyValue = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(-1, 0.5, 2 ** 53, 1e308, null, true, [], {}, "x".repeat(5000), "\u0000\ud800"),
  );
  const message = fc.oneof(
    fc.constantFrom(...sane).map((line) => Buffer.from(`${JSON.stringify(line)}\n`)),
    fc
      .tuple(fc.constantFrom(...sane), fields, anyValue)
      .map(([line, field, value]) => Buffer.from(`${JSON.stringify({ ...line, [field]: value })}\n`)),
    fc
      .tuple(fc.constantFrom(...sane), fc.nat(60))
      .map(([line, cut]) => Buffer.from(JSON.stringify(line).slice(0, cut))),
    fc.jsonValue().map((value) => Buffer.from(`${JSON.stringify(value)}\n`)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom("\n", "\r\n", "{\n", "[".repeat(20_000), `${"[".repeat(20_000)}\n`, "NaN\n")
      .map((text) => Buffer.from(text)),
  );

  it("the host ends with a named fault or goes on, whether it was welcomed or not", async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(message, { maxLength: 12 }), async (welcomed, parts) => {
        const host = await open([], { beat: 0.02 });
        const socket = dial(host);
        socket.resume();
        const bytes = Buffer.concat([
          Buffer.from(welcomed ? `${JSON.stringify(hello(host.token))}\n` : ""),
          ...parts,
        ]);
        socket.end(bytes);
        if (welcomed) {
          const end = await Promise.race([
            host.finished.catch((error: unknown) => error),
            sleep(5000, "the host hangs", { ref: false }),
          ]);
          assert.ok(typeof end === "number" || end instanceof HeadraceError, String(end));
          if (end instanceof HeadraceError) {
            assert.match(end.code, /^ERR_(TRAINER|PARSE|LOSS)$/);
            assert.ok(end.message.length < 2000 && !end.message.includes("\n"), end.message.slice(0, 300));
          }
        } else {
          const own = await connectTrainer({ client: "own/1", address: host.address, token: host.token });
          await own.ready({ batch: 0, stages: 1, hash: "ab" });
          await own.done(0);
          assert.equal(await host.finished, 0);
        }
        await host.close();
      }),
      { numRuns: 150 },
    );
  });

  it("keeps at most a hello of a stranger and a message of a client, however much they send", async () => {
    for (const welcomed of [false, true]) {
      const host = await open([]);
      const socket = dial(host);
      const answers = linesOf(socket);
      if (welcomed) {
        socket.write(`${JSON.stringify(hello(host.token))}\n`);
        assert.match((await answers())!, /"welcome"/);
      }
      const block = Buffer.alloc(1 << 20, 120);
      let sent = 0;
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      for (; sent < 64 && socket.writable; sent++) {
        if (!socket.write(block))
          await Promise.race([new Promise((drained) => socket.once("drain", drained)), sleep(50)]);
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
      const limit = welcomed ? 1_048_576 : 65_536;
      assert.match((await answers()) ?? "", new RegExp(`at most ${limit} are read`));
      // What this side has not sent yet lies in this process too.
      assert.ok(most - socket.writableLength < 24 * (1 << 20), `${most} bytes`);
      socket.destroy();
      if (welcomed) await assert.rejects(host.finished, { code: "ERR_PARSE" });
      await host.close();
    }
  });
});

describe("a rank that does not keep up is named with its machine and last batch", () => {
  const rank = (host: Host, number: number) => {
    const socket = dial(host);
    socket.resume();
    const say = (line: object) => socket.write(`${JSON.stringify(line)}\n`);
    say({
      type: "hello",
      protocol: 1,
      token: host.token,
      rank: number,
      world: 3,
      client: "x/1",
      host: `node${number}`,
    });
    return { socket, say };
  };
  const ready = { type: "ready", batch: 0, stages: 1, hash: "ab" };
  const ack = (batch: number) => ({ type: "ack", batch, served: "0000000100000001" });

  it("when it hangs", async () => {
    const host = await open([], { stall: 0.6, beat: 0.1 });
    const ranks = [0, 1, 2].map((number) => rank(host, number));
    for (const { say } of ranks) say(ready);
    for (const { say } of ranks) say(ack(0));
    ranks[0]!.say(ack(1));
    ranks[2]!.say(ack(1));
    const beats = setInterval(() => ranks.forEach(({ say }) => void say({ type: "heartbeat" })), 100);
    await assert.rejects(host.finished, {
      code: "ERR_TRAINER",
      message: /made no progress for 0\.6 s; behind: trainer rank 1 on node1 \(last batch 0\) \(\d+ s ago\)$/,
    });
    clearInterval(beats);
    await host.close();
  });

  it("when it dies", async () => {
    const host = await open([]);
    const ranks = [0, 1, 2].map((number) => rank(host, number));
    for (const { say } of ranks) say(ready);
    for (const { say } of ranks) say(ack(0));
    await sleep(50);
    ranks[2]!.socket.destroy();
    await assert.rejects(host.finished, {
      code: "ERR_TRAINER",
      message: "trainer rank 2 on node2 (last batch 0) closed the connection before it was done",
    });
    await host.close();
  });

  it("when it never comes", async () => {
    const host = await open([], { start: 0.4, beat: 0.1 });
    for (const number of [0, 2]) rank(host, number);
    await assert.rejects(host.finished, { message: "2 of 3 ranks connected within 0.4 s; missing: rank 1" });
    await host.close();
  });
});
