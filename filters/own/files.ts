/**
 * The files of a filter of one's own, read whole.
 */
import { readFile } from "node:fs/promises";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import type { OwnSpec } from "./spec.ts";

/** The bytes of a file. Throws ERR_INPUT, naming the filter and the file. */
export async function readBytes({ name }: Pick<OwnSpec, "name">, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `filter "${name}": ${path} cannot be read (${messageOf(cause)}); check the path`,
      { cause },
    );
  }
}

/** The text of a file in UTF-8. Throws ERR_INPUT. */
export async function readText(spec: Pick<OwnSpec, "name">, path: string): Promise<string> {
  const bytes = await readBytes(spec, path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `filter "${spec.name}": ${path} is not UTF-8; convert it`, {
      cause,
    });
  }
}
