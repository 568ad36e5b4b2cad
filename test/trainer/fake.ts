/**
 * A trainer without a model, for tests: its loss in a domain falls with the rows it has seen of it, exactly, so that a resumed run can be
 * compared with an undisturbed one. `fake.ts MODE [K]` misbehaves in the way of MODE at batch K (or from the start).
 */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import {
  ADDRESS_VARIABLE,
  connectTrainer,
  formatMessage,
  PROTOCOL,
  parseAddress,
  runTrainer,
  TOKEN_VARIABLE,
  type TrainerState,
} from "../../trainer/index.ts";

const mode = process.argv[2] ?? "good";
const at = Number(process.argv[3] ?? 0);

interface Checkpoint extends TrainerState {
  readonly seen: Record<string, number>;
}

let seen: Record<string, number> = {};

async function main(): Promise<void> {
  console.log(`pid ${process.pid}`);
  console.log(`fake trainer: ${mode}`);
  if (mode === "exits-at-once") {
    console.error("out of memory, or so");
    process.exitCode = 3;
    return;
  }
  if (mode === "never-connects") return void setInterval(() => {}, 1000);
  if (mode === "rubbish") return speak(["{not json at all\n"]);
  if (mode === "unknown-message") return speak(['{"type":"greetings"}\n']);
  if (mode === "skips-ack") return speak([]);
  const client = await connectTrainer({
    client: "fake/1",
    ...(mode === "wrong-token" ? { token: "0".repeat(64) } : {}),
  });
  if (mode === "forgets") {
    const report = client.report.bind(client);
    client.report = ({ domains: { code: _, ...domains }, ...rest }) => report({ ...rest, domains });
  }
  if (mode === "wrong-rows") {
    const acknowledge = client.acknowledge.bind(client);
    client.acknowledge = (batch, served, measured) =>
      acknowledge(batch, batch === at ? "0123456789abcdef" : served, measured);
  }
  const { promise: forever } = Promise.withResolvers<never>();
  await runTrainer(client, {
    load(folder) {
      const newest = folder === null ? undefined : checkpoints(folder).at(-1);
      if (newest === undefined) return null;
      const { seen: rows, ...state }: Checkpoint = JSON.parse(readFileSync(join(folder!, newest), "utf8"));
      seen = rows;
      return state;
    },
    async train(batch) {
      if (batch.batch === at) await misbehave(forever);
      for (const domain of batch.domains) seen[domain] = (seen[domain] ?? 0) + 1;
      if (mode === "slow") await new Promise((done) => setTimeout(done, 15));
      return {
        loss: mode === "nan-loss" && batch.batch === at ? Number.NaN : lossOf(0),
        tokens: batch.tokens.length,
      };
    },
    evaluate(rows, domain) {
      let tokens = 0;
      for (const row of rows) tokens += row.length - 1;
      if (mode === "nan" && domain === "code") return { lossSum: Number.NaN, tokens };
      return { lossSum: tokens * lossOf(["web", "code", "books"].indexOf(domain)), tokens };
    },
    save(state, folder) {
      const path = join(folder, `${String(state.batch).padStart(8, "0")}.json`);
      const file = openSync(`${path}.tmp`, "w");
      writeSync(file, JSON.stringify({ ...state, seen }));
      fsyncSync(file);
      closeSync(file);
      renameSync(`${path}.tmp`, path);
    },
  });
}

async function misbehave(forever: Promise<never>): Promise<void> {
  if (mode === "exits") {
    console.error("CUDA out of memory");
    process.exit(137);
  }
  if (mode === "killed") process.kill(process.pid, "SIGKILL");
  if (mode === "hangs") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (mode === "stalls") await forever;
  if (mode === "throws") throw new Error("no gradient for layer 3");
}

/** 3 nats and a bit, falling with the rows of the domain; the domains differ. */
function lossOf(domain: number): number {
  return 3 + 0.25 * domain - (seen[domain] ?? 0) / 4096;
}

function checkpoints(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort();
}

/** Says hello by hand, then lines as they are. */
function speak(lines: readonly string[]): void {
  const address = parseAddress(process.env[ADDRESS_VARIABLE]!);
  if (address.kind !== "unix") throw new Error("the fake speaks unix sockets");
  const socket = createConnection(address.path);
  const token = process.env[TOKEN_VARIABLE]!;
  socket.write(
    formatMessage({ type: "hello", protocol: PROTOCOL, token, rank: 0, world: 1, client: "fake/1" }),
  );
  for (const line of lines) socket.write(line);
  socket.on("data", (chunk) => {
    if (mode === "skips-ack" && chunk.toString().includes("welcome")) {
      const schedule = JSON.parse(
        readFileSync(join(JSON.parse(chunk.toString()).run, "schedule.json"), "utf8"),
      );
      socket.write(formatMessage({ type: "ready", batch: 0, stages: 1, hash: schedule.stages[0].hash }));
      socket.write(formatMessage({ type: "ack", batch: 1, served: "0".repeat(16) }));
    }
  });
  socket.on("close", () => {
    process.exitCode = 1;
  });
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
