/**
 * The stages in force of a schedule as a table.
 */
import type { PARTS, Schedule, stagesInForce, WeightStage } from "../samplers/index.ts";
import { grouped, say, table } from "./display.ts";

/** Stages shown of a long schedule: the last ones, where changes are. */
const SHOWN = 12;

/** Prints the stages that govern batches, the last of them where there are many. The functions come from the caller, who has them loaded. */
export function showPlan(
  schedule: Schedule,
  samplers: { readonly stagesInForce: typeof stagesInForce; readonly PARTS: typeof PARTS },
): void {
  const { header, stages } = schedule;
  const inForce = samplers.stagesInForce(stages);
  if (inForce.length > SHOWN) say(`the last ${SHOWN} of ${grouped(inForce.length)} stages in force`);
  say(
    table([
      ["stage", "from batch", "until", "rows a batch", "why", ...header.domains.map(({ name }) => name)],
      ...inForce
        .slice(-SHOWN)
        .map(({ index, stage }) => [
          index,
          stage.fromBatch,
          stage.untilBatch === null ? "end" : grouped(stage.untilBatch),
          stage.batchRows ?? header.batchRows,
          reasonOf(stage),
          ...stage.weights.map((weight) => (weight / samplers.PARTS).toFixed(4)),
        ]),
    ]),
  );
}

function reasonOf({ cause, revises, skipped }: WeightStage): string {
  const passed = skipped?.reduce((sum, rows) => sum + rows, 0) ?? 0;
  return [
    revises?.kind ?? cause.kind,
    ...(passed > 0 ? [`${grouped(passed)} rows passed over`] : []),
    ...(typeof revises?.["note"] === "string" ? [`"${revises["note"]}"`] : []),
  ].join(", ");
}
