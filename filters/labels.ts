/**
 * A label file: tab-separated, a header, one document a row, named by the first 16 hex digits of the SHA-1 of its text.
 */
import { HeadraceError } from "../core/errors.ts";

/** The column that names a document. */
export const LABEL_ID = "sha1_16";

/** Grades of one column by document. `subject` names the file in errors. Throws ERR_PARSE naming the line. */
export function parseLabels(text: string, column: string, subject: string): ReadonlyMap<string, number> {
  const [header = "", ...lines] = text.split(/\r?\n/);
  const names = header.split("\t");
  const id = names.indexOf(LABEL_ID);
  const grade = names.indexOf(column);
  if (id < 0 || grade < 0)
    throw new HeadraceError(
      "ERR_PARSE",
      `${subject} has the columns ${names.join(", ") || "(none)"}; a label file needs ${LABEL_ID} and ${column}`,
    );
  const labels = new Map<string, number>();
  lines.forEach((line, i) => {
    if (line === "") return;
    const cells = line.split("\t");
    const [name = "", value = ""] = [cells[id], cells[grade]];
    if (!/^[0-9a-f]{16}$/.test(name) || !/^[0-3]$/.test(value))
      throw new HeadraceError(
        "ERR_PARSE",
        `${subject} line ${i + 2} has ${LABEL_ID} "${name}" and ${column} "${value}"; expected 16 hex digits and a grade from 0 to 3`,
      );
    if (labels.has(name) && labels.get(name) !== Number(value))
      throw new HeadraceError(
        "ERR_PARSE",
        `${subject} line ${i + 2} grades ${name} ${value}, an earlier line ${labels.get(name)}; keep one of them`,
      );
    labels.set(name, Number(value));
  });
  return labels;
}
