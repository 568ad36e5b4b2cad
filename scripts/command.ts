/**
 * A command of the command line with its flags typed: what `flags` declares is what `run` gets.
 */
import type { ArgumentsCamelCase, Argv, CommandModule } from "yargs";

/** Makes a yargs command. */
export function command<T>(definition: {
  /** Name and positionals, as yargs writes them: `build <inputs..>`. */
  readonly command: string;
  readonly describe: string;
  readonly flags: (args: Argv) => Argv<T>;
  readonly run: (args: ArgumentsCamelCase<T>) => Promise<void>;
}): CommandModule {
  const { flags, run, ...rest } = definition;
  return {
    ...rest,
    builder: flags as CommandModule["builder"],
    handler: run as unknown as CommandModule["handler"],
  };
}
