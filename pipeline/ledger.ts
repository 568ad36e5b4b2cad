/**
 * The ledger: what every task of a build came to, in SQLite, for quick questions while and after a build.
 * It is a cache with one writer. The task manifests are the truth, and `rebuildLedger` makes it again from them.
 * It lives in memory and is written as a whole file now and then, so that it needs none of SQLite's own locks, which Lustre and NFS may not
 * have, and is never seen half-written. What it gives up: after a kill it may lack the last seconds.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { cannotWrite } from "../core/commit.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { parseTaskManifest, type TaskManifest } from "./task-manifest.ts";

/** An open ledger. Its functions throw ERR_OUTPUT: the disk that has no room for the ledger has none for shards. */
export interface Ledger {
  /** Adds or replaces a finished task, and saves if the last time was a while ago. */
  record(task: TaskManifest): void;
  /** Adds an event line (reused, calibrated, compacted, resumed). */
  event(kind: string, detail: string): void;
  /** Writes all of it to its file, whole or not at all. */
  save(): void;
  /** Lets go of the memory. What was not saved is lost. */
  close(): void;
}

/** Milliseconds after which the next task that is recorded saves the ledger. */
const SAVE_EVERY = 5000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS task (
    task INTEGER PRIMARY KEY, key TEXT NOT NULL, read INTEGER NOT NULL, kept INTEGER NOT NULL, quarantined INTEGER NOT NULL,
    incidents INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS input (
    source TEXT PRIMARY KEY, task INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS outcome (
    task INTEGER NOT NULL, domain TEXT NOT NULL, outcome TEXT NOT NULL, documents INTEGER NOT NULL, tokens INTEGER NOT NULL,
    PRIMARY KEY (task, domain, outcome)) STRICT;
  CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, detail TEXT NOT NULL) STRICT;`;

/** Opens the ledger of a build folder, or a new one where there is none or its file is broken: it is only a cache. */
export function openLedger(buildFolder: string): Ledger {
  const path = pathOf(buildFolder);
  const database = openDatabase(path);
  const task = database.prepare("INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?, ?, ?)");
  const input = database.prepare("INSERT OR REPLACE INTO input VALUES (?, ?, ?, ?)");
  const outcome = database.prepare("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?, ?)");
  const event = database.prepare("INSERT INTO event (kind, detail) VALUES (?, ?)");
  const forget = database.prepare("DELETE FROM outcome WHERE task = ?");
  const record = database.transaction((manifest: TaskManifest) => {
    const { account } = manifest;
    task.run(
      manifest.task,
      manifest.key,
      account.read,
      account.kept,
      account.quarantined,
      account.incidents,
      account.bytes.read,
    );
    for (const file of manifest.inputs) input.run(file.source, manifest.task, file.bytes, file.sha256);
    forget.run(manifest.task);
    for (const [name, domain] of Object.entries(account.domains)) {
      outcome.run(manifest.task, name, "kept", domain.kept, domain.tokens.kept);
      outcome.run(manifest.task, name, "quarantined", domain.quarantined, 0);
      for (const [filter, documents] of Object.entries(domain.dropped))
        outcome.run(manifest.task, name, `dropped:${filter}`, documents, domain.tokens.dropped[filter] ?? 0);
    }
  });
  let saved = performance.now();
  const save = () => {
    const pending = join(buildFolder, `.${LEDGER}.${randomBytes(6).toString("hex")}.tmp`);
    try {
      writeFileSync(pending, database.serialize());
      renameSync(pending, path);
    } catch (cause) {
      rmSync(pending, { force: true });
      throw cannotWrite(path, cause);
    }
    saved = performance.now();
  };
  return {
    record(manifest) {
      record(manifest);
      if (performance.now() - saved >= SAVE_EVERY) save();
    },
    event: (kind, detail) => void event.run(kind, detail),
    save,
    close: () => void database.close(),
  };
}

/** Makes the ledger again from the task manifests of a build folder. Returns how many tasks it holds. */
export function rebuildLedger(buildFolder: string): number {
  const tasks = join(buildFolder, "tasks");
  if (!existsSync(tasks))
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${buildFolder} holds no tasks; name the output folder of a build that has its .build folder`,
    );
  const manifests = readdirSync(tasks)
    .sort()
    .map((name) => join(tasks, name, "task.json"))
    .filter(existsSync)
    .map((path) => parseTaskManifest(readFileSync(path, "utf8"), path));
  writeLedger(buildFolder, manifests);
  return manifests.length;
}

/** Writes a ledger of finished tasks in place of any that is there. Throws ERR_OUTPUT. */
export function writeLedger(buildFolder: string, tasks: readonly TaskManifest[]): void {
  removeLedger(buildFolder);
  const ledger = openLedger(buildFolder);
  try {
    for (const task of tasks) ledger.record(task);
    ledger.save();
  } finally {
    ledger.close();
  }
}

/** Removes the ledger, as of another build. */
export function removeLedger(buildFolder: string): void {
  rmSync(pathOf(buildFolder), { force: true });
}

/** One row of `summary`. */
export interface LedgerRow {
  readonly domain: string;
  readonly outcome: string;
  readonly documents: number;
  readonly tokens: number;
}

/** Documents and tokens by domain and outcome over the finished tasks. Throws ERR_INPUT where there is no ledger. */
export function ledgerSummary(buildFolder: string): readonly LedgerRow[] {
  const path = pathOf(buildFolder);
  let database: Database.Database;
  try {
    database = new Database(readFileSync(path));
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `${path} cannot be read: ${messageOf(cause)}; make it again with "headrace ledger"`,
      { cause },
    );
  }
  try {
    return database
      .prepare(
        "SELECT domain, outcome, SUM(documents) AS documents, SUM(tokens) AS tokens FROM outcome GROUP BY domain, outcome ORDER BY domain, outcome",
      )
      .all() as LedgerRow[];
  } finally {
    database.close();
  }
}

const LEDGER = "ledger.sqlite";

function pathOf(buildFolder: string): string {
  return join(buildFolder, LEDGER);
}

function openDatabase(path: string): Database.Database {
  try {
    return prepare(new Database(readFileSync(path)));
  } catch {
    return prepare(new Database(":memory:"));
  }
}

function prepare(database: Database.Database): Database.Database {
  database.exec(SCHEMA);
  return database;
}
