/**
 * How the scores of a domain are spread, what is kept and what is dropped, and where the cut is. The bars are drawn once, in two colours, each
 * behind a window; a move of the cut moves the windows.
 */
import { count, drawing, element, percent, scoreText, setAttributes, UNIT } from "./elements.js";

/** @typedef {import("../page-data.ts").PageData} PageData */
/** @typedef {import("./rates.js").Cut} Cut */

const WIDTH = 480;
const TOP = 14;
const HEIGHT = 110;
const FOOT = 18;

/**
 * The figure of a domain. `update` draws another cut; `onPick` is told the score that is pointed at.
 * @param {PageData} data
 * @param {PageData["domains"][number]} domain
 * @param {number} place
 * @param {(score: number) => void} onPick
 */
export function histogram(data, domain, place, onPick) {
  const { from, width } = data.axis;
  const bins = domain.histogram.length;
  const most = Math.max(1, ...domain.histogram);
  const x = (/** @type {number} */ score) =>
    Math.max(0, Math.min(WIDTH, ((score - from) / (width * bins)) * WIDTH));
  const step = WIDTH / bins;
  const outline = domain.histogram
    .map((value, b) => {
      const height = value === 0 ? 0 : Math.max(1, (value / most) * HEIGHT);
      return `M${(b * step + 0.5).toFixed(2)} ${TOP + HEIGHT}v${(-height).toFixed(2)}h${(step - 1).toFixed(2)}v${height.toFixed(2)}z`;
    })
    .join("");
  const windows = ["kept", "dropped"].map((side) => {
    const rect = drawing("rect", { y: 0, height: TOP + HEIGHT, x: 0, width: 0 });
    const id = `window-${place}-${side}`;
    return { rect, clip: drawing("clipPath", { id }, rect), id, side };
  });
  const line = drawing("line", { class: "cut", y1: 2, y2: TOP + HEIGHT });
  const grip = drawing("circle", { class: "cut", r: 4, cy: 5 });
  const picture = drawing(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${TOP + HEIGHT + FOOT}`, role: "img" },
    drawing("defs", {}, ...windows.map(({ clip }) => clip)),
    ...windows.map(({ id, side }) =>
      drawing("path", { class: side, d: outline, "clip-path": `url(#${id})` }),
    ),
    drawing("line", { class: "axis", x1: 0, x2: WIDTH, y1: TOP + HEIGHT + 0.5, y2: TOP + HEIGHT + 0.5 }),
    ...ticks(from, from + width * bins).map((score) =>
      drawing(
        "text",
        {
          class: "tick",
          x: Math.max(8, Math.min(WIDTH - 8, x(score))),
          y: TOP + HEIGHT + 13,
          "text-anchor": "middle",
        },
        scoreText(score, 0),
      ),
    ),
    line,
    grip,
  );
  const caption = element("figcaption");
  const pick = (/** @type {PointerEvent} */ event) => {
    const box = picture.getBoundingClientRect();
    onPick(from + ((event.clientX - box.left) / box.width) * width * bins);
  };
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    pick(event);
  });
  picture.addEventListener("pointermove", (event) => {
    if (event.buttons === 1) pick(event);
  });

  /** @param {Cut | undefined} cut */
  function update(cut) {
    const at = cut ? x(cut.threshold) : data.dropWhen === "high" ? WIDTH : 0;
    const [low, high] = data.dropWhen === "high" ? ["kept", "dropped"] : ["dropped", "kept"];
    for (const { rect, side } of windows)
      setAttributes(rect, side === low ? { x: 0, width: at } : { x: at, width: WIDTH - at });
    setAttributes(line, { x1: at, x2: at, visibility: cut ? "visible" : "hidden" });
    setAttributes(grip, { cx: at, visibility: cut ? "visible" : "hidden" });
    const words = cut
      ? `${count(cut.dropped.documents)} of ${count(cut.reached.documents)} documents dropped (${percent(cut.dropped.documents, cut.reached.documents)})`
      : `${count(domain.total.documents)} documents, none judged`;
    caption.replaceChildren(element("strong", {}, domain.name), ` ${words}`);
    const [first, last] = [scoreText(from, 1), scoreText(from + width * bins, 1)];
    const where = cut ? `; cut at ${cutText(cut.threshold)}, ${high} above it` : "";
    picture.setAttribute("aria-label", `Scores of ${domain.name} from ${first} to ${last}: ${words}${where}`);
  }
  update(undefined);
  return { figure: element("figure", { "data-domain": domain.name }, caption, picture), update };
}

/**
 * A threshold in words: the outermost ones drop nothing or everything.
 * @param {number} threshold
 */
export function cutText(threshold) {
  if (Math.abs(threshold) >= 2 ** 24) return threshold > 0 ? "above every score" : "below every score";
  return scoreText(threshold, 4);
}

/**
 * Round scores between two others, five or so.
 * @param {number} from
 * @param {number} to
 * @returns {readonly number[]}
 */
function ticks(from, to) {
  const span = (to - from) / UNIT;
  const step = [1, 2, 5, 10, 20, 50, 100].find((one) => span / one <= 8) ?? 200;
  const first = Math.ceil(from / UNIT / step) * step;
  return Array.from(
    { length: Math.floor((to / UNIT - first) / step) + 1 },
    (_, i) => (first + i * step) * UNIT,
  );
}
