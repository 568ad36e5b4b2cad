/**
 * The page: a slider for the cut, what it does in figures and pictures, and the documents on either side.
 */
import { count, element, percent, setAttributes } from "./elements.js";
import { cutText, histogram } from "./histogram.js";
import { commandOf, cutsAt, dropsAt, indexOfRate, rateNearest, totalOf } from "./rates.js";
import { reading } from "./reading.js";

/** @typedef {import("../page-data.ts").PageData} PageData */
/** @typedef {import("../page-data.ts").PageDocument} PageDocument */
/** @typedef {import("./rates.js").Position} Position */

/** Documents of a side at first, and how many more at a time. */
const AT_ONCE = 8;
const UNIT_WORDS = {
  documents: "of documents",
  flagged: "of flagged documents",
  tokens: "of tokens",
};

/**
 * @param {PageData} data
 * @param {HTMLElement} page
 */
function show(data, page) {
  /** @type {Position} */
  let position = data.target ? { kind: "built" } : { kind: "rate", unit: 0, index: 0 };
  let unit = Math.max(
    0,
    data.sweeps.findIndex((sweep) => sweep.unit === data.target?.unit),
  );
  const wanted = { domain: "", verdict: "", words: "" };
  const limits = { kept: AT_ONCE, dropped: AT_ONCE };

  const slider = element("input", { type: "range", id: "cut", min: 0, step: 1 });
  const asked = element("output", { for: "cut", id: "asked" });
  const outcome = element("p", { id: "outcome", role: "status" });
  const reset = element("button", { type: "button", id: "built" }, "As built");
  const units = data.sweeps.map((sweep, u) => {
    const input = element("input", { type: "radio", name: "unit", value: sweep.unit, checked: u === unit });
    input.addEventListener("change", () => {
      const rate = data.sweeps[unit]?.rates[Number(slider.value)] ?? 0;
      unit = u;
      move(indexOfRate(sweep.rates, rate));
    });
    return element("label", {}, input, sweep.unit);
  });
  const rows = element("tbody");
  const command = element("code", { id: "command", tabindex: 0 });
  const copied = element("span", { role: "status" });
  const copy = element("button", { type: "button" }, "Copy");
  const figures = data.domains.map((domain, place) =>
    histogram(data, domain, place, (score) => {
      const applies = data.sweeps[unit]?.domains[domain.name];
      if (applies) move(rateNearest(data, unit, domain.name, score));
    }),
  );
  const lists = {
    kept: element("div", { class: "documents" }),
    dropped: element("div", { class: "documents" }),
  };
  const heads = { kept: element("h3"), dropped: element("h3") };
  const found = element("p", { role: "status", class: "found" });

  /** @param {number} index */
  function move(index) {
    position = { kind: "rate", unit, index };
    update();
  }
  slider.addEventListener("input", () => move(Number(slider.value)));
  reset.addEventListener("click", () => {
    position = { kind: "built" };
    unit = Math.max(
      0,
      data.sweeps.findIndex((sweep) => sweep.unit === data.target?.unit),
    );
    update();
  });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent ?? "");
      copied.textContent = "copied";
    } catch {
      getSelection()?.selectAllChildren(command);
      copied.textContent = "selected";
    }
  });

  function update() {
    const cuts = cutsAt(data, position);
    updateControls(cuts);
    for (const [d, { update }] of figures.entries())
      update(cuts.find(({ name }) => name === data.domains[d]?.name));
    updateDocuments(cuts);
  }

  /** @param {ReturnType<typeof cutsAt>} cuts */
  function updateControls(cuts) {
    const sweep = data.sweeps[unit];
    const rate = position.kind === "built" ? (data.target?.rate ?? 0) : (sweep?.rates[position.index] ?? 0);
    if (sweep) {
      slider.max = String(sweep.rates.length - 1);
      slider.value = String(indexOfRate(sweep.rates, rate));
      for (const [u, label] of units.entries())
        for (const input of label.querySelectorAll("input")) input.checked = u === unit;
      const ofInput = position.kind === "built" && data.target?.of === "input";
      const words = `Drop ${trimmed(100 * rate)}\u202f% ${UNIT_WORDS[sweep.unit]}${ofInput ? " of the input" : ""}`;
      asked.textContent = words;
      slider.setAttribute("aria-valuetext", words);
      command.textContent = commandOf(data, ofInput ? `${sweep.unit}:input` : sweep.unit, rate);
    }
    const { reached, dropped } = totalOf(cuts);
    const built = position.kind === "built" ? " in the build" : "";
    outcome.replaceChildren(
      element("strong", {}, percent(dropped.documents, reached.documents)),
      ` of documents, `,
      element("strong", {}, percent(dropped.tokens, reached.tokens)),
      ` of tokens dropped${built}`,
      element(
        "span",
        { class: "detail" },
        `: ${count(dropped.documents)} of ${count(reached.documents)} documents, ${count(dropped.tokens)} of ${count(reached.tokens)} tokens`,
      ),
    );
    setAttributes(reset, { disabled: position.kind === "built" || !data.target });
    copied.textContent = "";
    const row = (
      /** @type {string} */ name,
      /** @type {Omit<ReturnType<typeof cutsAt>[number], "name">} */ cut,
      /** @type {string} */ at,
    ) =>
      element(
        "tr",
        { "data-domain": name },
        element("th", { scope: "row" }, name),
        ...[
          at,
          count(cut.reached.documents),
          count(cut.dropped.documents),
          percent(cut.dropped.documents, cut.reached.documents),
          count(cut.dropped.tokens),
          percent(cut.dropped.tokens, cut.reached.tokens),
          cut.flagged === null ? "" : count(cut.flagged),
        ].map((cell) => element("td", { class: "number" }, cell)),
      );
    rows.replaceChildren(...cuts.map((cut) => row(cut.name, cut, cutText(cut.threshold))));
    if (cuts.length > 1) rows.append(row("together", { ...totalOf(cuts), threshold: 0 }, ""));
  }

  /** @param {ReturnType<typeof cutsAt>} cuts */
  function updateDocuments(cuts) {
    const thresholds = data.domains.map(({ name }) => cuts.find((cut) => cut.name === name)?.threshold);
    const words = wanted.words.toLowerCase();
    const sides = { kept: /** @type {PageDocument[]} */ ([]), dropped: /** @type {PageDocument[]} */ ([]) };
    for (const one of data.documents) {
      if (wanted.domain !== "" && data.domains[one.domain]?.name !== wanted.domain) continue;
      if (words !== "" && !plainText(one).includes(words)) continue;
      const threshold = thresholds[one.domain];
      const dropped = threshold !== undefined && dropsAt(data.dropWhen, one.score, threshold);
      sides[dropped ? "dropped" : "kept"].push(one);
    }
    const distance = (/** @type {PageDocument} */ one) => {
      const threshold = thresholds[one.domain];
      return threshold === undefined ? Number.POSITIVE_INFINITY : Math.abs(one.score - threshold);
    };
    for (const side of /** @type {const} */ (["kept", "dropped"])) {
      const list = sides[side].sort((a, b) => distance(a) - distance(b) || a.score - b.score);
      const hidden = wanted.verdict !== "" && wanted.verdict !== side;
      const told = hidden ? [] : list.slice(0, limits[side]);
      setAttributes(lists[side].parentElement ?? lists[side], { hidden });
      heads[side].replaceChildren(
        element("span", { class: `dot ${side}`, "aria-hidden": "true" }),
        `${side === "kept" ? "Kept" : "Dropped"} `,
        element("small", {}, `${count(told.length)} of ${count(list.length)} here, nearest to the cut first`),
      );
      lists[side].replaceChildren(...told.map((one) => reading(data, one, thresholds[one.domain])));
      if (list.length === 0) lists[side].append(element("p", { class: "none" }, emptyWords(side)));
      if (!hidden && told.length < list.length) {
        const more = element(
          "button",
          { type: "button", class: "further" },
          `Show ${Math.min(AT_ONCE * 2, list.length - told.length)} more`,
        );
        more.addEventListener("click", () => {
          limits[side] += AT_ONCE * 2;
          const at = told.length;
          updateDocuments(cuts);
          const next = lists[side].children[at];
          if (next instanceof HTMLElement) {
            next.tabIndex = -1;
            next.focus({ preventScroll: true });
          }
        });
        lists[side].append(more);
      }
    }
    found.textContent = `${count(sides.kept.length)} kept and ${count(sides.dropped.length)} dropped documents match, of ${count(data.documents.length)} in this page`;
  }

  /** @param {"kept" | "dropped"} side */
  function emptyWords(side) {
    if (side === "dropped" && !data.dropped)
      return "The build did not keep what it dropped, so there is nothing to read here.";
    return "No document of this page is on this side.";
  }

  const domainChoice = element(
    "select",
    { id: "domain" },
    element("option", { value: "" }, "all domains"),
    ...data.domains
      .filter((_, d) => data.documents.some((one) => one.domain === d))
      .map(({ name }) => element("option", { value: name }, name)),
  );
  const verdictChoice = element(
    "select",
    { id: "verdict" },
    ...[
      ["", "kept and dropped"],
      ["kept", "kept"],
      ["dropped", "dropped"],
    ].map(([value = "", label = ""]) => element("option", { value }, label)),
  );
  const search = element("input", { type: "search", id: "words", autocomplete: "off" });
  const choose = () => {
    wanted.domain = domainChoice.value;
    wanted.verdict = verdictChoice.value;
    wanted.words = search.value;
    limits.kept = AT_ONCE;
    limits.dropped = AT_ONCE;
    updateDocuments(cutsAt(data, position));
  };
  for (const input of [domainChoice, verdictChoice, search]) input.addEventListener("input", choose);

  const judged = figures.filter(
    (_, d) => data.sweeps[0]?.domains[data.domains[d]?.name ?? ""] || data.domains[d]?.built,
  );
  const others = figures.filter((figure) => !judged.includes(figure));
  const sum = (/** @type {"documents" | "tokens"} */ of) =>
    data.domains.reduce((all, { total }) => all + total[of], 0);
  page.replaceChildren(
    element(
      "header",
      { class: "top" },
      element(
        "h1",
        {},
        data.filter,
        element("small", {}, ` ${data.dropWhen === "high" ? "high" : "low"} scores are dropped`),
      ),
      element(
        "p",
        {},
        `${count(sum("documents"))} documents and ${count(sum("tokens"))} tokens in `,
        element("code", {}, data.shards),
        `, build ${data.fingerprint.slice(0, 12)}. ${count(data.documents.length)} of the documents are in this page, their first ${count(data.characters)} characters or so.`,
      ),
    ),
    ...(data.sweeps.length === 0 && !data.target
      ? [
          element(
            "p",
            { class: "notice" },
            "No document reaches this filter in a domain that it applies to, so there is no cut to move.",
          ),
        ]
      : [
          element(
            "section",
            { class: "control", "aria-label": "The cut" },
            element(
              "div",
              { class: "line" },
              element("label", { for: "cut", class: "asked" }, asked),
              element(
                "fieldset",
                {},
                element("legend", { class: "unseen" }, "What the rate is a share of"),
                ...units,
              ),
              reset,
            ),
            slider,
            outcome,
          ),
        ]),
    element(
      "section",
      { "aria-labelledby": "scores" },
      element("h2", { id: "scores" }, "Scores by domain"),
      element(
        "p",
        { class: "key" },
        element("span", { class: "dot kept", "aria-hidden": "true" }),
        "kept ",
        element("span", { class: "dot dropped", "aria-hidden": "true" }),
        "dropped. Point into a picture to move the cut there.",
      ),
      element("div", { class: "figures" }, ...judged.map(({ figure }) => figure)),
      ...(others.length === 0
        ? []
        : [
            element(
              "details",
              {},
              element(
                "summary",
                {},
                `${others.length} domain${others.length === 1 ? "" : "s"} that ${data.filter} does not apply to`,
              ),
              element("div", { class: "figures" }, ...others.map(({ figure }) => figure)),
            ),
          ]),
      element(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "What the cut does, by domain" },
        element(
          "table",
          { class: "rates" },
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              ...["domain", "cut", "reach it", "dropped", "share", "tokens dropped", "share", "flagged"].map(
                (head) => element("th", { scope: "col" }, head),
              ),
            ),
          ),
          rows,
        ),
      ),
      element("p", { class: "command" }, command, copy, copied),
    ),
    element(
      "section",
      { "aria-labelledby": "reading" },
      element("h2", { id: "reading" }, "Documents on either side"),
      element(
        "p",
        { class: "key" },
        ...(data.unexplained
          ? [data.unexplained]
          : [
              element("mark", { class: "to-drop", "data-level": 3 }, "towards being dropped"),
              " ",
              element("mark", { class: "to-keep", "data-level": 3 }, "against it"),
              " by what weighs most in the score; the parts of a score sum to it.",
            ]),
      ),
      element(
        "form",
        { class: "choices" },
        element("label", {}, "Domain ", domainChoice),
        element("label", {}, "Verdict ", verdictChoice),
        element("label", {}, "Text ", search),
      ),
      found,
      element(
        "div",
        { class: "sides" },
        ...(data.dropWhen === "high"
          ? /** @type {const} */ (["kept", "dropped"])
          : /** @type {const} */ (["dropped", "kept"])
        ).map((side) => element("div", { class: "side", "data-side": side }, heads[side], lists[side])),
      ),
    ),
  );
  page.querySelector("form")?.addEventListener("submit", (event) => event.preventDefault());
  update();
}

/** @param {PageDocument} one */
function plainText({ runs, source }) {
  return `${runs.filter((part) => typeof part === "string").join("")} ${source}`.toLowerCase();
}

/**
 * 12.5, not 12.500000001.
 * @param {number} value
 */
function trimmed(value) {
  return String(Number(value.toFixed(6)));
}

const page = document.getElementById("page");
const source = document.getElementById("data");
if (page && source) show(JSON.parse(source.textContent ?? ""), page);
