/**
 * `reference.json` (docs/format.md 4): losses to compare with, bound to the tokenizer and the validation split they were measured on.
 */
import { readFile } from "node:fs/promises";
import { writeFileWhole } from "../core/commit.ts";
import { domainName } from "../core/domain.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { integer, number, object, oneOf, parseJson, record, string } from "../core/parse.ts";
import {
  meanLosses,
  REFERENCE_PRESETS,
  type ReferenceLosses,
  type ShardManifest,
  validationHash,
} from "../samplers/index.ts";

const reference = object({
  format: oneOf("headrace-reference/1"),
  model: string,
  tokenizer: string,
  validation: string,
  domains: record(object({ lossSum: number, tokens: integer(1) })),
});

/** What `headrace reference` measured. */
export type Reference = ReturnType<typeof reference>;

/** Reads `reference.json`. Throws ERR_INPUT, ERR_PARSE. */
export async function readReference(path: string): Promise<Reference> {
  try {
    return parseJson(await readFile(path, "utf8"), reference, path);
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    throw new HeadraceError(
      "ERR_INPUT",
      `cannot read the reference losses ${path}: ${messageOf(cause)}; measure them with headrace reference, or name one of ${Object.keys(REFERENCE_PRESETS).join(", ")}`,
      { cause },
    );
  }
}

/** Writes `reference.json`, whole or not at all. Throws ERR_OUTPUT. */
export async function writeReference(path: string, value: Reference): Promise<void> {
  await writeFileWhole(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * The losses of a preset's name or of a file, for shards. A preset was measured elsewhere, which is a warning; a file that was measured
 * with another tokenizer or on another validation split is refused (ERR_LOSS), since nobody asks for that on purpose.
 */
export async function referenceFor(
  source: string,
  manifest: ShardManifest,
): Promise<{ readonly reference: ReferenceLosses; readonly warning: string | null }> {
  const preset = REFERENCE_PRESETS[source];
  if (preset)
    return {
      reference: preset,
      warning: `reference losses "${source}" belong to another model, tokenizer and validation set (${preset.source}); the weights follow them: measure your own with headrace reference`,
    };
  const file = await readReference(source);
  const differs = [
    ["tokenizer", file.tokenizer, manifest.tokenizer.sha256],
    ["validation split", file.validation, validationHash(manifest)],
  ].find(([, measured, here]) => measured !== here);
  if (differs)
    throw new HeadraceError(
      "ERR_LOSS",
      `${source} was measured with ${differs[0]} ${differs[1]!.slice(0, 16)}…, these shards have ${differs[2]!.slice(0, 16)}…; measure again with headrace reference`,
    );
  const losses = meanLosses(file.domains, Object.keys(file.domains), source);
  return {
    reference: {
      source: `${file.model}, measured on this validation split`,
      losses: Object.fromEntries(Object.entries(losses).map(([name, loss]) => [domainName(name), loss])),
    },
    warning: null,
  };
}
