/** `headrace train` as a process that a test can kill: the options as JSON in, the report as JSON out. */
import { messageOf } from "../../core/errors.ts";
import { train } from "../../trainer/index.ts";

try {
  console.log(JSON.stringify(await train(JSON.parse(process.argv[2]!))));
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
