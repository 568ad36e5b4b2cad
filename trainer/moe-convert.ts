/**
 * The conversion of a dense LLaMA to a LLaMA-MoE, which the Python package does (trainer/python/headrace/moe_convert.py).
 */
import { spawn } from "node:child_process";
import { HeadraceError } from "../core/errors.ts";
import { array, integer, number, object, parseJson, string } from "../core/parse.ts";
import { pythonCommand } from "./trainers.ts";

const report = object({
  method: string,
  seed: integer(0),
  experts: integer(1),
  select: integer(1),
  out: string,
  routed: integer(1),
  routedSelect: integer(1),
  residual: integer(0),
  size: integer(1),
  scale: number,
  parameters: integer(1),
  active: integer(1),
  dense: integer(1),
  neurons: integer(1),
  neuronsUsed: array(integer(0)),
});

/** What a conversion made. `neuronsUsed`: by layer, how many of the dense layer's `neurons` are in some expert. */
export type MoeReport = ReturnType<typeof report>;

/** Runs the conversion with the command's own flags; its progress goes to standard error. Throws ERR_RUNTIME without Python, ERR_TRAINER with what went wrong. */
export async function convertToMoe(flags: readonly string[]): Promise<MoeReport> {
  const of = pythonCommand({
    subject: "moe-convert",
    module: "headrace",
    needs: ["numpy", "torch", "safetensors"],
    arguments: ["moe-convert", ...flags],
  });
  const child = spawn(of.command, of.arguments, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...of.environment },
  });
  let out = "";
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4096);
    if (/^\r?importance/.test(text)) process.stderr.write(text);
  });
  const status = await new Promise<number | null>((done, failed) => {
    child.once("error", failed).once("close", done);
  });
  if (status === 0) return parseJson(out, report, "the report of moe-convert");
  const last = said.trimEnd().split("\n").at(-1) ?? "";
  // The Python half's errors end in their code as ours do.
  const [, message, code] = /^(.*?) {2}\[(ERR_[A-Z_]+)\]$/.exec(last) ?? [];
  throw new HeadraceError(
    code === undefined ? "ERR_TRAINER" : (code as HeadraceError["code"]),
    message ?? `moe-convert ended with status ${status}: ${last}`,
  );
}
