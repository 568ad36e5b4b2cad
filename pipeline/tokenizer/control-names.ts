/**
 * What a `tokenizer_config.json` calls the control tokens around documents; `tokenizer.json` itself does not say.
 */
import { readFile } from "node:fs/promises";
import { nullable, object, optional, parseJson, string } from "../../core/parse.ts";

/** Names of control tokens: undefined where nothing is said, null where it is said that there is none. */
export interface ControlNames {
  readonly bos?: string | null | undefined;
  readonly eos?: string | null | undefined;
}

const token = optional((value: unknown, at: string) =>
  typeof value === "object" && value !== null
    ? object({ content: string })(value, at).content
    : nullable(string)(value, at),
);
const CONFIG = object({ bos_token: token, eos_token: token });

/** The names in the text of a file. Throws ERR_PARSE. */
export function parseControlNames(text: string, subject: string): ControlNames {
  const { bos_token, eos_token } = parseJson(text, CONFIG, subject);
  return { bos: bos_token, eos: eos_token };
}

/** The names in a file, none where there is no such file. */
export async function controlNames(path: string): Promise<ControlNames> {
  const text = await readFile(path, "utf8").catch(() => "{}");
  return parseControlNames(text, path);
}

/** Looked for in this order where nothing is said. */
const KNOWN = {
  bos: ["<s>", "<|begin_of_text|>"],
  eos: ["</s>", "<|end_of_text|>", "<|endoftext|>"],
} as const;

/** The ids of the control tokens around documents: the special added tokens of those names, null where there is none. */
export function controlIds(
  addedTokens: readonly { readonly id: number; readonly content: string; readonly special: boolean }[],
  names: ControlNames,
): { readonly bos: number | null; readonly eos: number | null } {
  const idOf = (name: string | null | undefined, known: readonly string[]): number | null => {
    for (const content of name === undefined ? known : [name]) {
      const token = addedTokens.find((added) => added.special && added.content === content);
      if (token !== undefined) return token.id;
    }
    return null;
  };
  return { bos: idOf(names.bos, KNOWN.bos), eos: idOf(names.eos, KNOWN.eos) };
}
