/**
 * A supervised fastText model as a filter: the probability that it gives to one label, read and computed here, without fastText.
 */
import { sha256File } from "../../../core/hash.ts";
import type { OpenedFilter } from "../own-filter.ts";
import { type OwnSpec, ownScale, refuse } from "../spec.ts";
import { featuresOf } from "./features.ts";
import { readFastText } from "./model-file.ts";
import { predictor } from "./predict.ts";

/** Labels that a message names. */
const SHOWN = 10;
const PREFIX = "__label__";

/** The filter of `fasttext:MODEL,label=NAME`. Throws ERR_ARGUMENT, ERR_INPUT and ERR_FILTER. */
export async function openFastText(spec: OwnSpec): Promise<OpenedFilter> {
  const scale = ownScale(spec, { dropWhen: null, scale: 1, cut: 0.5, missing: "quarantine" });
  const model = await readFastText(spec.value);
  const { labels } = model.dictionary;
  const wanted = spec.settings.get("label");
  const label = labels.findIndex((name) => name === wanted || name === `${PREFIX}${wanted}`);
  if (label < 0) {
    const shown = labels.slice(0, SHOWN).map((name) => name.replace(PREFIX, ""));
    const known = `${shown.join(", ")}${labels.length > SHOWN ? ` and ${labels.length - SHOWN} more` : ""}`;
    refuse(
      spec.text,
      wanted === undefined
        ? `does not say which label's probability it is; give label=, one of ${known}`
        : `has label=${wanted}, which ${spec.value} does not know; it has ${known}`,
    );
  }
  const features = featuresOf(model);
  const predict = predictor(model, label);
  return {
    ...scale,
    identity: { model: await sha256File(spec.value), label: labels[label], version: 1 },
    saturates: false,
    values: (documents) => documents.map(({ text }) => predict(features(Buffer.from(text)))),
  };
}
