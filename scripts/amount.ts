/**
 * Amounts of tokens as people write them.
 */
import { HeadraceError } from "../index.ts";

/** A whole number of tokens from 2.5B, 200e9, 10M, 64k or 4096. Throws ERR_ARGUMENT. */
export function tokensOf(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?(?:e\d+)?)\s*([kKMGBT]?)$/.exec(text.replaceAll(/[,_]/g, ""));
  const factor = { "": 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, B: 1e9, T: 1e12 }[match?.[2] ?? ""] ?? 1;
  const tokens = Math.round(Number(match?.[1]) * factor);
  if (!match || !Number.isSafeInteger(tokens))
    throw new HeadraceError("ERR_ARGUMENT", `--${flag} is "${text}"; write tokens such as 2.5B, 10M or 4096`);
  return tokens;
}
