/**
 * A document to read: where it stands to the cut, its text with what weighed most marked, and what its score is made of.
 */
import { count, element, scoreText, signedText } from "./elements.js";
import { dropsAt } from "./rates.js";

/** @typedef {import("../page-data.ts").PageData} PageData */
/** @typedef {import("../page-data.ts").PageDocument} PageDocument */

/** What weighs less than this share of the heaviest stretch is not marked: else every "the" would be. */
const FAINTEST = 0.15;

/**
 * @param {PageData} data
 * @param {PageDocument} document
 * @param {number | undefined} threshold of the document's domain, where the filter applies
 */
export function reading(data, document, threshold) {
  const { source, line, tokens, score } = document;
  const domain = data.domains[document.domain]?.name ?? "";
  const article = element(
    "article",
    { "data-domain": domain, "data-score": score },
    element(
      "header",
      {},
      element("strong", { class: "score" }, scoreText(score, 4)),
      threshold === undefined || Math.abs(threshold) >= 2 ** 24
        ? ""
        : element("span", { class: "distance" }, `${signedText(score - threshold, 4)} from the cut`),
      element("span", {}, domain),
      element("span", { class: "source" }, `${shown(source)}:${line}`),
      element("span", {}, `${count(tokens)} tokens`),
      ...notes(data, document, threshold).map((note) => element("span", { class: "note" }, note)),
    ),
    ...textOf(data, document),
  );
  if (document.parts && document.parts.length > 0) article.append(partsOf(data, document.parts, document));
  return article;
}

/**
 * Where the build decided otherwise than the cut that is shown, or another filter did.
 * @param {PageData} data
 * @param {PageDocument} document
 * @param {number | undefined} threshold
 */
function notes(data, { split, droppedBy, score }, threshold) {
  const would = threshold !== undefined && dropsAt(data.dropWhen, score, threshold);
  if (droppedBy !== null && droppedBy !== data.filter)
    return [`${split === "dropped" ? "dropped" : "tagged"} by ${droppedBy} in the build`];
  if (droppedBy === data.filter && split !== "dropped") return ["only tagged in the build"];
  if ((droppedBy === data.filter) !== would)
    return [droppedBy === null ? "kept in the build" : "dropped in the build"];
  return [];
}

/**
 * @param {PageData} data
 * @param {PageDocument} document
 */
function textOf(data, { runs, cut }) {
  const weights = runs.filter((part) => typeof part === "number").map(Math.abs);
  const most = Math.max(...weights);
  const text = element("div", { class: "text", dir: "auto" });
  for (let i = 0; i < runs.length; i += 2) {
    const words = String(runs[i]);
    const weight = Number(runs[i + 1]);
    const share = Math.abs(weight) / most;
    if (weight === 0 || share < FAINTEST || words.trim() === "") text.append(words);
    else
      text.append(
        words.slice(0, words.length - words.trimStart().length),
        element(
          "mark",
          {
            class: weight > 0 === (data.dropWhen === "high") ? "to-drop" : "to-keep",
            "data-level": share > 0.66 ? 3 : share > 0.33 ? 2 : 1,
            title: `${weight > 0 ? "+" : "\u2212"}${Math.abs(weight).toFixed(3)} here`,
          },
          words.trimStart(),
        ),
      );
  }
  if (cut > 0) text.append(element("span", { class: "more" }, ` \u2026 ${count(cut)} characters more`));
  const button = element("button", { type: "button", class: "unfold", "aria-expanded": "false" }, "Show all");
  button.addEventListener("click", () => {
    const open = text.classList.toggle("open");
    button.textContent = open ? "Show less" : "Show all";
    button.setAttribute("aria-expanded", String(open));
  });
  const long =
    runs.reduce(
      (/** @type {number} */ sum, part) =>
        sum + (typeof part === "string" ? part.length + 40 * (part.split("\n").length - 1) : 0),
      0,
    ) > 560;
  if (!long) text.classList.add("open");
  return long ? [text, button] : [text];
}

/**
 * @param {PageData} data
 * @param {readonly (string | number)[]} parts
 * @param {PageDocument} document
 */
function partsOf(data, parts, { score, partial }) {
  const pairs = Array.from({ length: parts.length / 2 }, (_, i) => ({
    name: shown(String(parts[2 * i])),
    weight: Number(parts[2 * i + 1]),
  }));
  const most = Math.max(1, ...pairs.map(({ weight }) => Math.abs(weight)));
  const rows = pairs.map(({ name, weight }) => {
    const toDrop = weight > 0 === (data.dropWhen === "high");
    const bar = element("span", { class: toDrop ? "bar to-drop" : "bar to-keep" });
    bar.style.width = `${((100 * Math.abs(weight)) / most).toFixed(1)}%`;
    return element(
      "tr",
      {},
      element("th", { scope: "row", class: "part" }, name),
      element("td", { class: "number" }, signedText(weight, 3)),
      element("td", { class: "bars", "aria-hidden": "true" }, bar),
    );
  });
  const first = pairs.filter(({ name }) => !/^at the start$| (more|other tokens)$/.test(name)).slice(0, 3);
  return element(
    "details",
    { class: "parts" },
    element(
      "summary",
      {},
      `Weighed most: ${first.map(({ name, weight }) => `${name} ${signedText(weight)}`).join(", ")}${pairs.length > 3 ? ", \u2026" : ""}`,
    ),
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, "What the score is made of"),
      element("tbody", {}, ...rows),
      element(
        "tfoot",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "row", class: "part sum" }, "score"),
          element("td", { class: "number sum" }, scoreText(partial ?? score, 4)),
          element(
            "td",
            { class: "sum" },
            partial === null ? "" : "of the tokens in the shard, which does not hold all that was scored",
          ),
        ),
      ),
    ),
  );
}

/**
 * A name from outside on one line, with what cannot be seen spelled out.
 * @param {string} text
 */
function shown(text) {
  return text.replaceAll(
    /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}/gu,
    (sign) => `\u27e8U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
  );
}
