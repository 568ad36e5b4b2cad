/**
 * Elements of the page and the numbers in it. Text goes in as text, never as markup: there is no other way in here.
 */

/** @typedef {Node | string} Child */

/**
 * An element of HTML.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | number | boolean>>} attributes `true` is an attribute without a value, `false` none
 * @param {readonly Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/**
 * An element of SVG.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | number | boolean>>} attributes
 * @param {readonly Child[]} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/**
 * @param {Element} made
 * @param {Readonly<Record<string, string | number | boolean>>} attributes
 */
export function setAttributes(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false) made.removeAttribute(name);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
}

const grouped = new Intl.NumberFormat("en-US");

/**
 * 1234567 as 1,234,567.
 * @param {number} value
 */
export function count(value) {
  return grouped.format(value);
}

/**
 * A share of a whole as a percentage to one place.
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  return `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)}\u202f%`;
}

/** What a score is an integer part of. */
export const UNIT = 65_536;

/**
 * An integer score as a number of the score column.
 * @param {number} score
 * @param {number} places
 */
export function scoreText(score, places = 3) {
  return (score / UNIT).toFixed(places).replace("-", "\u2212");
}

/**
 * The same with its sign.
 * @param {number} score
 * @param {number} places
 */
export function signedText(score, places = 2) {
  return `${score < 0 ? "" : "+"}${scoreText(score, places)}`;
}
