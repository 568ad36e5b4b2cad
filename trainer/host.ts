/**
 * headrace's end of the trainer protocol (docs/trainer-protocol.md): a socket, a token, heartbeats and time-outs.
 * Messages of a connection are handled one after another, and reading stops meanwhile, so a trainer cannot run ahead of the record.
 * What the messages mean for a run is the handler's business (train.ts, reference.ts).
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { Conversation, type HostOptions } from "./conversation.ts";
import { formatAddress, parseAddress } from "./protocol.ts";

/** A host that listens. */
export interface Host {
  /** What goes into HEADRACE_ADDRESS and HEADRACE_TOKEN. */
  readonly address: string;
  readonly token: string;
  /** Resolves with the batch of `done` when every rank is done. Rejects with what went wrong, with ConnectionLost when a connection just ended. */
  readonly finished: Promise<number>;
  /** Connections that are open. */
  connections(): number;
  /** Asks every client to end. */
  stop(reason: string): void;
  /** Closes everything. `error` is told to the clients first. */
  close(error?: HeadraceError): Promise<void>;
}

/** Listens for a trainer. Throws ERR_ARGUMENT when the address cannot be used. */
export async function openHost(options: HostOptions): Promise<Host> {
  const token = randomBytes(32).toString("hex");
  const server = createServer();
  const folder = options.listen === undefined ? mkdtempSync(join(tmpdir(), "headrace-")) : null;
  const wanted = parseAddress(options.listen ?? `unix:${join(folder!, "socket")}`);
  try {
    await new Promise<void>((listening, failed) => {
      server.once("error", failed);
      if (wanted.kind === "unix") server.listen(wanted.path, listening);
      else server.listen(wanted.port, wanted.host, listening);
    });
  } catch (cause) {
    if (folder) rmSync(folder, { recursive: true, force: true });
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `cannot listen on ${formatAddress(wanted)}: ${messageOf(cause)}; choose another address`,
      { cause },
    );
  }
  if (wanted.kind === "unix") chmodSync(wanted.path, 0o600);
  const address =
    wanted.kind === "unix"
      ? formatAddress(wanted)
      : formatAddress({ ...wanted, port: (server.address() as AddressInfo).port });
  const talk = new Conversation(options, server, folder, token);
  return {
    address,
    token,
    finished: talk.finished,
    connections: () => talk.connections(),
    stop: (reason) => talk.stop(reason),
    close: (error) => talk.close(error),
  };
}
