/**
 * The trainers that `--trainer` names: `embedded` (Node), `torch` (Python), each with words of its own after it, or any command line.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import { HeadraceError } from "../core/errors.ts";
import type { TrainerCommand } from "./subprocess.ts";

/** The command of a trainer's name or of a command line. Throws ERR_RUNTIME when Python, PyTorch or the trainer's files are missing. */
export function resolveTrainer(trainer: string): TrainerCommand {
  const words = trainer.trim().split(/\s+/);
  if (words[0] === "embedded") return embedded(words.slice(1));
  if (words[0] === "torch") return torch(words.slice(1));
  if (words[0] === "" || words[0] === undefined)
    throw new HeadraceError("ERR_ARGUMENT", "the trainer is empty; name embedded, torch or a command");
  return { command: trainer };
}

function embedded(flags: readonly string[]): TrainerCommand {
  const path = beside("./embedded/main.ts", "./embedded/main.js");
  return { command: process.execPath, arguments: [path, ...flags] };
}

function torch(flags: readonly string[]): TrainerCommand {
  return pythonCommand({
    subject: "trainer torch",
    module: "headrace.train",
    needs: ["numpy", "torch"],
    arguments: flags,
    otherwise: "use --trainer embedded",
  });
}

/**
 * A module of the Python package as a command: Python from HEADRACE_PYTHON or the path; the package as installed, else the one that comes with
 * headrace. Throws ERR_RUNTIME, naming `subject`, where Python or a module that it `needs` is missing.
 */
export function pythonCommand(of: {
  readonly subject: string;
  /** `python -m` this. */
  readonly module: string;
  readonly needs: readonly string[];
  readonly arguments: readonly string[];
  /** What else a person may do. */
  readonly otherwise?: string;
}): TrainerCommand & { readonly arguments: readonly string[] } {
  const python = process.env["HEADRACE_PYTHON"] ?? "python3";
  const found = (module: string): boolean =>
    spawnSync(
      python,
      ["-c", `import importlib.util, sys; sys.exit(importlib.util.find_spec("${module}") is None)`],
      {
        stdio: "ignore",
      },
    ).status === 0;
  if (spawnSync(python, ["-c", "pass"], { stdio: "ignore" }).status !== 0)
    throw new HeadraceError(
      "ERR_RUNTIME",
      `${of.subject} needs Python, and ${JSON.stringify(python)} does not run; install it or set HEADRACE_PYTHON`,
    );
  const missing = of.needs.find((module) => !found(module));
  if (missing)
    throw new HeadraceError(
      "ERR_RUNTIME",
      `${of.subject} needs ${missing}, which ${python} does not have; run "${python} -m pip install ${of.needs.join(" ")}" or set HEADRACE_PYTHON${of.otherwise ? `, or ${of.otherwise}` : ""}`,
    );
  const command = { command: python, arguments: ["-m", of.module, ...of.arguments] };
  if (found("headrace.train")) return command;
  const path = beside("./python", "../../trainer/python");
  const before = process.env["PYTHONPATH"];
  return { ...command, environment: { PYTHONPATH: before ? `${path}${delimiter}${before}` : path } };
}

/** The first of the places, relative to this file, that exists: in the checkout, then in the package. */
function beside(...places: readonly string[]): string {
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined)
    throw new HeadraceError(
      "ERR_RUNTIME",
      `the trainer's files are not at ${paths.join(" or ")}; install headrace again`,
    );
  return path;
}
