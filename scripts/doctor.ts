/**
 * `headrace doctor`: whether this machine can do what headrace does.
 */
import { command } from "./command.ts";
import { printJson, say } from "./display.ts";

/** The command. */
export const doctor = command({
  command: "doctor",
  describe: "check runtime, disk, limits, Python and GPU; status 1 where a build will not work",
  flags: (args) =>
    args
      .option("out", { type: "string", default: ".", describe: "folder that a build shall write to" })
      .option("python", { type: "string", describe: "Python to examine [$HEADRACE_PYTHON, else python3]" })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the findings as one JSON object on standard output",
      }),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const findings = await pipeline.doctor({
      out: args.out,
      ...(args.python !== undefined && { python: args.python }),
    });
    for (const { check, status, message } of findings)
      say(`${status.padEnd(4)}  ${check.padEnd(12)}  ${message}`);
    const ok = findings.every(({ status }) => status !== "fail");
    if (args.json) printJson({ ok, findings });
    if (!ok) process.exitCode = 1;
  },
});
