/**
 * What a cut does, from the counts in the page's data: integers only, no estimate.
 */

/** @typedef {import("../page-data.ts").PageData} PageData */
/** @typedef {import("../page-data.ts").Amount} Amount */

/**
 * Where the cut is: as the build has it, or at one of the rates of a unit.
 * @typedef {{ readonly kind: "built" } | { readonly kind: "rate", readonly unit: number, readonly index: number }} Position
 */

/**
 * What a cut does in one domain.
 * @typedef {{ readonly name: string, readonly threshold: number, readonly reached: Amount, readonly flagged: number | null, readonly dropped: Amount }} Cut
 */

/**
 * The cut of every domain that the filter applies to.
 * @param {PageData} data
 * @param {Position} position
 * @returns {readonly Cut[]}
 */
export function cutsAt(data, position) {
  if (position.kind === "built")
    return data.domains.flatMap(({ name, built }) => (built ? [{ name, ...built }] : []));
  const sweep = data.sweeps[position.unit];
  if (!sweep) return [];
  return data.domains.flatMap(({ name }) => {
    const found = sweep.domains[name];
    if (!found) return [];
    const { reached, flagged, thresholds, documents, tokens } = found;
    const i = position.index;
    const dropped = { documents: documents[i] ?? 0, tokens: tokens[i] ?? 0 };
    return [{ name, threshold: thresholds[i] ?? 0, reached, flagged, dropped }];
  });
}

/**
 * Several domains together.
 * @param {readonly Cut[]} cuts
 */
export function totalOf(cuts) {
  const sum = (/** @type {(cut: Cut) => number} */ of) => cuts.reduce((all, cut) => all + of(cut), 0);
  return {
    reached: { documents: sum((cut) => cut.reached.documents), tokens: sum((cut) => cut.reached.tokens) },
    dropped: { documents: sum((cut) => cut.dropped.documents), tokens: sum((cut) => cut.dropped.tokens) },
    flagged: cuts.every((cut) => cut.flagged !== null) ? sum((cut) => cut.flagged ?? 0) : null,
  };
}

/**
 * Whether a score is on the side that is dropped.
 * @param {PageData["dropWhen"]} dropWhen
 * @param {number} score
 * @param {number} threshold
 */
export function dropsAt(dropWhen, score, threshold) {
  return dropWhen === "high" ? score >= threshold : score < threshold;
}

/**
 * The rate whose cut in a domain is nearest to a score.
 * @param {PageData} data
 * @param {number} unit
 * @param {string} domain
 * @param {number} score
 */
export function rateNearest(data, unit, domain, score) {
  const thresholds = data.sweeps[unit]?.domains[domain]?.thresholds ?? [];
  let best = 0;
  for (const [i, threshold] of thresholds.entries())
    if (Math.abs(threshold - score) < Math.abs((thresholds[best] ?? 0) - score)) best = i;
  return best;
}

/**
 * The rate nearest to another, so that a change of unit moves the cut little.
 * @param {readonly number[]} rates
 * @param {number} rate
 */
export function indexOfRate(rates, rate) {
  let best = 0;
  for (const [i, one] of rates.entries())
    if (Math.abs(one - rate) < Math.abs((rates[best] ?? 0) - rate)) best = i;
  return best;
}

/**
 * The command that builds what is shown.
 * @param {PageData} data
 * @param {string} unit
 * @param {number} rate
 */
export function commandOf(data, unit, rate) {
  const { before, after, flags } = data.command;
  const drop = [...before, `${data.filter}=${rate}:${unit}`, ...after].join(",");
  const folder = /^[\w./-]+$/.test(data.shards) ? data.shards : `'${data.shards.replaceAll("'", "'\\''")}'`;
  return ["headrace build --from", folder, "--drop", drop, ...flags, "--out shards-anew"].join(" ");
}
