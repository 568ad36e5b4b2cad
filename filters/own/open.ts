/**
 * Opens the filter that a specification asks for: reads its files, checks them, and binds what identifies it.
 */
import { hashOf } from "../../core/hash.ts";
import { openContamination } from "./contamination.ts";
import { openDuplicates } from "./duplicates.ts";
import { openFastText } from "./fasttext/filter.ts";
import { openFunction } from "./function.ts";
import { lengthFilter } from "./length.ts";
import { openNgram } from "./ngram/filter.ts";
import { openOnnx } from "./onnx.ts";
import type { OpenedFilter, OwnFilter } from "./own-filter.ts";
import { regexFilter } from "./regex.ts";
import { bandOf, type OwnSpec } from "./spec.ts";
import { openUrlDomains, openUrlWords } from "./urls.ts";

/** Opens a filter. Throws ERR_ARGUMENT, ERR_INPUT, ERR_PARSE and ERR_FILTER. */
export async function openOwnFilter(spec: OwnSpec): Promise<OwnFilter> {
  const { identity, ...filter } = await openKind(spec);
  const band = bandOf(spec);
  const { name, dropWhen, scale, cut, missing } = filter;
  return {
    ...filter,
    band,
    sha256: hashOf({
      format: "headrace-own/1",
      kind: spec.kind,
      name,
      dropWhen,
      scale,
      cut,
      missing,
      band,
      identity,
    }),
  };
}

function openKind(spec: OwnSpec): OpenedFilter | Promise<OpenedFilter> {
  switch (spec.kind) {
    case "contamination":
      return openContamination(spec);
    case "duplicates":
      return openDuplicates(spec);
    case "fasttext":
      return openFastText(spec);
    case "function":
      return openFunction(spec);
    case "length":
      return lengthFilter(spec);
    case "ngram":
      return openNgram(spec);
    case "onnx":
      return openOnnx(spec);
    case "regex":
      return regexFilter(spec);
    case "url-domains":
      return openUrlDomains(spec);
    case "url-words":
      return openUrlWords(spec);
    default:
      return spec.kind satisfies never;
  }
}
