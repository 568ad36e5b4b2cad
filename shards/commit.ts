/** Writing files whole or not at all lives in core; this name stays for the shards' own files. */
export { attempt, openPending, type PendingFile, syncFolder, writeFileWhole } from "../core/commit.ts";
