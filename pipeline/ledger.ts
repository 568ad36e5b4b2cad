/**
 * The ledger: what every task of a build came to, in SQLite, for quick questions while and after a build.
 * It is a cache with one writer. The task manifests are the truth, and `rebuildLedger` makes it again from them.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { cannotWrite } from "../core/commit.ts";
import { HeadraceError } from "../core/errors.ts";
import { parseTaskManifest, type TaskManifest } from "./task-manifest.ts";

/** An open ledger. */
export interface Ledger {
  /** Adds or replaces a finished task, in one transaction. */
  record(task: TaskManifest): void;
  /** Adds an event line (reused, calibrated, compacted, resumed). */
  event(kind: string, detail: string): void;
  close(): void;
}

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

/**
 * Opens the ledger of a build folder, making it where it is absent. A broken ledger file is replaced: it is only a cache. What cannot be
 * written, then or later, is ERR_OUTPUT: the disk that has no room for the ledger has none for shards.
 */
export function openLedger(buildFolder: string): Ledger {
  const path = join(buildFolder, "ledger.sqlite");
  return ledgerOf(
    writing(path, () => openDatabase(path)),
    path,
  );
}

function ledgerOf(database: Database.Database, path: string): Ledger {
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
  return {
    record: (manifest) => writing(path, () => void record(manifest)),
    event: (kind, detail) => writing(path, () => void event.run(kind, detail)),
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

/**
 * Writes a ledger of finished tasks in place of any that is there. It is made in memory and written as a file, so that it can be made on
 * a file system where SQLite's locks do not work.
 */
export function writeLedger(buildFolder: string, tasks: readonly TaskManifest[]): void {
  const path = join(buildFolder, "ledger.sqlite");
  const database = prepare(new Database(":memory:"));
  try {
    const ledger = ledgerOf(database, path);
    for (const task of tasks) ledger.record(task);
    writing(path, () => {
      const pending = join(buildFolder, `.ledger.sqlite.${randomBytes(6).toString("hex")}.tmp`);
      writeFileSync(pending, database.serialize());
      renameSync(pending, path);
    });
  } finally {
    database.close();
  }
}

/** One row of `summary`. */
export interface LedgerRow {
  readonly domain: string;
  readonly outcome: string;
  readonly documents: number;
  readonly tokens: number;
}

/** Documents and tokens by domain and outcome over the finished tasks. */
export function ledgerSummary(buildFolder: string): readonly LedgerRow[] {
  const database = new Database(join(buildFolder, "ledger.sqlite"), { readonly: true, fileMustExist: true });
  const rows = database
    .prepare(
      "SELECT domain, outcome, SUM(documents) AS documents, SUM(tokens) AS tokens FROM outcome GROUP BY domain, outcome ORDER BY domain, outcome",
    )
    .all() as LedgerRow[];
  database.close();
  return rows;
}

function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

function openDatabase(path: string): Database.Database {
  try {
    return prepare(new Database(path));
  } catch {
    rmSync(path, { force: true });
    return prepare(new Database(path));
  }
}

function prepare(database: Database.Database): Database.Database {
  database.pragma("journal_mode = DELETE");
  database.pragma("synchronous = OFF"); // a cache: a torn file is made again from the task manifests
  database.exec(SCHEMA);
  return database;
}
