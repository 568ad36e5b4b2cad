/**
 * `.headrace.json` in the folder of an export: what it was made from and what it holds, so that it can be checked and taken in again.
 * Its name begins with a dot, because readers of folders of data skip such files.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { array, boolean, integer, nullable, object, oneOf, parseJson, string } from "../../core/parse.ts";
import { EXPORT_FORMATS } from "./format.ts";

const count = integer(0);

const record = object({
  format: oneOf("headrace-export/1"),
  to: oneOf(...EXPORT_FORMATS),
  shards: string,
  split: oneOf("train", "validation", "dropped"),
  tokenType: oneOf("uint16", "int32"),
  tokenizer: object({
    name: string,
    sha256: string,
    vocabularySize: integer(1),
    bos: nullable(count),
    eos: nullable(count),
    addBos: boolean,
    addEos: boolean,
  }),
  domains: array(
    object({
      name: string,
      documents: count,
      tokens: count,
      files: array(object({ path: string, bytes: count, sha256: string })),
    }),
  ),
});

/** What an export holds. `shards` is the fingerprint of the manifest that it was made from. */
export type ExportRecord = ReturnType<typeof record>;

/** The name of the record in its folder. */
export const EXPORT_RECORD = ".headrace.json";

/** The record of a folder, or undefined where it has none. Throws ERR_PARSE. */
export async function readExportRecord(dir: string): Promise<ExportRecord | undefined> {
  const path = join(dir, EXPORT_RECORD);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseJson(text, record, path);
}
