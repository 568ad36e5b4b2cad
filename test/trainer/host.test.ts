import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { describe, it } from "node:test";
import { HeadraceError } from "../../core/errors.ts";
import {
  connectTrainer,
  formatMessage,
  type Host,
  type HostHandler,
  openHost,
  parseAddress,
  type TrainerClient,
} from "../../trainer/index.ts";
import { lossReport } from "../samplers/tiny.ts";

/** A handler that writes down what it is told. */
function listener(): HostHandler & { readonly heard: unknown[] } {
  const heard: unknown[] = [];
  return {
    heard,
    ready: async ({ batch }, client) => void heard.push(["ready", batch, client]),
    acknowledge: async (batch, served, { loss }) => void heard.push(["ack", batch, served, loss]),
    report: async (report) => {
      heard.push(["report", (report as { measuredAt: number }).measuredAt]);
      return { stages: 2, hash: "ef", decidedUntil: 8 };
    },
    checkpoint: async (batch) => void heard.push(["checkpoint", batch]),
  };
}

async function open(handler: HostHandler, listen?: string): Promise<Host> {
  return await openHost({
    handler,
    listen,
    startSeconds: 20,
    stallSeconds: 20,
    welcome: {
      mode: "train",
      run: "/run",
      shards: "/shards",
      batches: 4,
      everyBatches: 2,
      checkpoints: null,
      evaluation: { rowTokens: 4, tokensPerDomain: 8 },
      heartbeatSeconds: 0.05,
      timeoutSeconds: 5,
    },
  });
}

async function connect({ address, token }: Host, rank = 0, world = 1): Promise<TrainerClient> {
  return await connectTrainer({ client: `test/${rank}`, address, token, rank, world });
}

const START = { batch: 0, stages: 1, hash: "ab" };
const A = "00000001ffffffff";
const B = "0000000100000001";

describe("openHost", () => {
  it("speaks with one client from hello to done, over a unix socket or TCP", async () => {
    for (const listen of [undefined, "tcp:127.0.0.1:0"]) {
      const handler = listener();
      const host = await open(handler, listen);
      assert.match(host.address, listen ? /^tcp:127\.0\.0\.1:[1-9]\d*$/ : /^unix:\//);
      const client = await connect(host);
      assert.equal(client.welcome.batches, 4);
      await client.ready(START);
      await client.acknowledge(0, A, { loss: 3 });
      assert.deepEqual(await client.report(lossReport(1, { web: 2 })), {
        type: "stage",
        stages: 2,
        hash: "ef",
        decidedUntil: 8,
      });
      await client.checkpoint(1);
      await client.done(1);
      assert.equal(await host.finished, 1);
      assert.deepEqual(handler.heard, [
        ["ready", 0, "test/0"],
        ["ack", 0, A, 3],
        ["report", 1],
        ["checkpoint", 1],
      ]);
      await host.close();
      const where = parseAddress(host.address);
      if (where.kind === "unix") assert.ok(!existsSync(dirname(where.path)));
      await assert.rejects(connect(host), { code: "ERR_TRAINER", message: /no headrace at/ });
    }
  });

  it("adds the parts of ranks, and acknowledges a batch when the last one has", async () => {
    const handler = listener();
    const host = await open(handler);
    const [first, second] = await Promise.all([connect(host, 0, 2), connect(host, 1, 2)]);
    await Promise.all([first.ready(START), second.ready(START)]);
    await second.acknowledge(0, B, { loss: 1 });
    await second.acknowledge(1, B);
    await first.acknowledge(0, A, { loss: 2 });
    const waiting = second.stage();
    await first.report(lossReport(1, { web: 2 }));
    assert.equal((await waiting).hash, "ef");
    assert.deepEqual(
      handler.heard.filter((each) => (each as string[])[0] === "ack"),
      [["ack", 0, "0000000200000000", 2]],
    );
    await first.acknowledge(1, A);
    await Promise.all([first.done(2), second.done(2)]);
    assert.equal(await host.finished, 2);
    assert.equal(handler.heard.filter((each) => (each as string[])[0] === "ack").length, 2);
    await host.close();
  });

  it("turns a stranger away and goes on with its own", async () => {
    const host = await open(listener());
    await assert.rejects(connectTrainer({ client: "x", address: host.address, token: "guess" }), {
      code: "ERR_TRAINER",
      message: /wrong token; take HEADRACE_TOKEN/,
    });
    const where = parseAddress(host.address);
    assert.ok(where.kind === "unix");
    for (const bytes of ["GET / HTTP/1.1\r\n\r\n", formatMessage({ type: "heartbeat" })]) {
      const socket = createConnection(where.path);
      socket.write(bytes);
      let answer = "";
      for await (const chunk of socket) answer += chunk;
      assert.match(answer, /"type":"error"/);
    }
    const client = await connect(host);
    await client.ready(START);
    await client.done(0);
    assert.equal(await host.finished, 0);
    await host.close();
  });

  it("ends the conversation when a rank breaks the rules, and tells every rank why", async () => {
    const cases: readonly [(first: TrainerClient, second: TrainerClient) => Promise<unknown>, RegExp][] = [
      [(first) => first.acknowledge(0, A), /acknowledged batch 0; expected ready first/],
      [(first) => first.ready(START).then(() => first.ready(START)), /was ready twice/],
      [(first) => first.ready(START).then(() => first.acknowledge(1, A)), /acknowledged batch 1; expected 0/],
      [
        (_, second) => second.ready(START).then(() => second.checkpoint(0)),
        /rank 1 on .+ \(after no batch\) sent a checkpoint; rank 0 alone does/,
      ],
      [(first) => first.checkpoint(0), /sent a checkpoint before ready/],
      [
        (first, second) => first.ready(START).then(() => second.ready({ ...START, batch: 2 })),
        /is ready at batch 2 \(ab\), another rank at 0 \(ab\); load the same checkpoint/,
      ],
    ];
    for (const [act, message] of cases) {
      const host = await open(listener());
      const [first, second] = await Promise.all([connect(host, 0, 2), connect(host, 1, 2)]);
      await act(first, second);
      await assert.rejects(host.finished, { code: "ERR_TRAINER", message });
      for (const client of [first, second])
        await assert.rejects(client.stage(), { code: "ERR_TRAINER", message: /headrace ended the run: / });
      await host.close();
    }
  });

  it("refuses a second client of the same rank, another world, and another protocol", async () => {
    for (const [rank, world, message] of [
      [0, 2, /two connections say they are rank 0/],
      [1, 3, /rank 1 says the world is 3, an earlier one said 2/],
      [2, 2, /rank 2 of world 2/],
    ] as const) {
      const host = await open(listener());
      await connect(host, 0, 2);
      await assert.rejects(connect(host, rank, world), { code: "ERR_TRAINER", message });
      await assert.rejects(host.finished, { code: "ERR_TRAINER", message });
      await host.close();
    }
  });

  it("gives what its handler throws to the trainer and to the owner, and takes nothing more", async () => {
    const handler = listener();
    const host = await open({
      ...handler,
      acknowledge: async () => {
        throw new HeadraceError("ERR_REPLAY", "other rows");
      },
    });
    const client = await connect(host);
    await client.ready(START);
    await client.acknowledge(0, A);
    await assert.rejects(client.report(lossReport(1, { web: 1 })), {
      code: "ERR_TRAINER",
      message: /other rows {2}\[ERR_REPLAY\]/,
    });
    await assert.rejects(host.finished, { code: "ERR_REPLAY", message: "other rows" });
    assert.deepEqual(handler.heard, [["ready", 0, "test/0"]]);
    await host.close();
  });

  it("asks its clients to stop", async () => {
    const host = await open(listener());
    const client = await connect(host);
    await client.ready(START);
    assert.equal(client.stopped, null);
    host.stop("enough");
    while (client.stopped === null) await new Promise((done) => setTimeout(done, 2));
    assert.equal(client.stopped, "enough");
    await client.done(0);
    assert.equal(await host.finished, 0);
    await host.close();
  });

  it("says when a client is gone, and a client says when its host is", async () => {
    const host = await open(listener());
    const client = await connect(host);
    await client.ready(START);
    await client.fail("my own fault");
    await assert.rejects(host.finished, { code: "ERR_TRAINER", message: "trainer gave up: my own fault" });
    await host.close();

    const vanishing = await open(listener());
    const orphan = await connect(vanishing);
    await orphan.ready(START);
    const told = assert.rejects(orphan.stage(), {
      code: "ERR_TRAINER",
      message: /headrace is gone: it closed the connection/,
    });
    await vanishing.close();
    await told;
    await assert.rejects(orphan.acknowledge(0, A), { code: "ERR_TRAINER" });
  });

  it("refuses an address that it cannot listen on", async () => {
    await assert.rejects(open(listener(), "unix:/no/such/folder/socket"), {
      code: "ERR_ARGUMENT",
      message: /cannot listen on unix:\/no\/such\/folder\/socket/,
    });
  });
});
