/**
 * Reading a file that every finished folder of shards has.
 */
import { readFile } from "node:fs/promises";
import { HeadraceError, messageOf } from "../core/errors.ts";

/** The text of a file of a folder of shards. Throws ERR_INPUT where it cannot be read. */
export async function readPart(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `cannot read ${path}: ${messageOf(cause)}; restore it, or build again from the input`,
      { cause },
    );
  }
}
