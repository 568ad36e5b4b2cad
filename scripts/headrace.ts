#!/usr/bin/env node
/**
 * The command line, one command a file. Exit status 0: done; 1: failed; 2: the arguments are wrong; 3: done, but some input could not be read.
 */
import { existsSync, readFileSync } from "node:fs";
import yargs, { type CommandModule } from "yargs";
import { hideBin } from "yargs/helpers";
import { begin } from "./begin.ts";
import { branch } from "./branch.ts";
import { build } from "./build.ts";
import { calibrate } from "./calibrate.ts";
import { say } from "./display.ts";
import { doctor } from "./doctor.ts";
import { duplicates } from "./duplicates.ts";
import { evaluateFilter } from "./evaluate-filter.ts";
import { exportShards } from "./export.ts";
import { importTokens } from "./import.ts";
import { inspect } from "./inspect.ts";
import { keepCompiled } from "./keep-compiled.ts";
import { ledger } from "./ledger.ts";
import { moeConvert } from "./moe-convert.ts";
import { pack } from "./pack.ts";
import { reference } from "./reference.ts";
import { replay } from "./replay.ts";
import { reweight } from "./reweight.ts";
import { score } from "./score.ts";
import { simulate } from "./simulate.ts";
import { stage } from "./stage.ts";
import { train } from "./train.ts";
import { trainFilter } from "./train-filter.ts";
import { verify } from "./verify.ts";
import { where } from "./where.ts";

const COMMANDS: readonly CommandModule[] = [
  build,
  calibrate,
  duplicates,
  inspect,
  score,
  verify,
  ledger,
  exportShards,
  importTokens,
  pack,
  train,
  begin,
  replay,
  where,
  simulate,
  reference,
  reweight,
  stage,
  branch,
  trainFilter,
  evaluateFilter,
  moeConvert,
  doctor,
];

const cli = yargs(hideBin(process.argv))
  .scriptName("headrace")
  .usage("$0 <command>\n\nExact, replayable data curation and domain mixing for continual pre-training.")
  .version(version())
  .strict()
  .demandCommand(1, "name a command")
  .recommendCommands()
  .wrap(Math.min(120, process.stderr.columns ?? 100))
  .exitProcess(false)
  .fail((message, error) => {
    if (error) throw error;
    throw new UsageError(
      `${message} (headrace --help lists the commands, headrace COMMAND --help the flags)`,
    );
  });
for (const module of COMMANDS) cli.command(module);

/** The version of the package, whose root is one folder up in a checkout and two in the package. */
function version(): string {
  const path = ["../package.json", "../../package.json"]
    .map((name) => new URL(name, import.meta.url))
    .find(existsSync);
  return path ? (JSON.parse(readFileSync(path, "utf8")) as { readonly version: string }).version : "unknown";
}

/** Arguments that yargs refuses. */
class UsageError extends Error {}

try {
  keepCompiled();
  await cli.parseAsync();
} catch (error) {
  const code = (error as { readonly code?: unknown }).code;
  const known = error instanceof UsageError || (error instanceof Error && error.name === "HeadraceError");
  say(
    `headrace: ${known ? String(error).replace(/^Error: /, "") : ((error as Error).stack ?? String(error))}`,
  );
  process.exitCode = error instanceof UsageError || code === "ERR_ARGUMENT" ? 2 : 1;
}
