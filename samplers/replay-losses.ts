/**
 * The weights of a recorded stage against the losses behind them. exp and log differ between libraries in the last bits, so the record is
 * the source and this is a check, to 1e-9.
 */
import { HeadraceError } from "../core/errors.ts";
import { number, record } from "../core/parse.ts";
import type { ScheduleHeader } from "./header.ts";
import { meanLosses } from "./losses.ts";
import { PARTS } from "./mixture.ts";
import { initialWeights } from "./policy.ts";
import type { ReplayDifference } from "./replay-difference.ts";
import { appendUpdate } from "./reweight.ts";
import { readReport, runPaths } from "./run.ts";
import { appendStage, createSchedule, type Schedule, type WeightStage } from "./schedule.ts";
import { cutBefore } from "./stage.ts";

/** Greatest difference of a weight that two libraries may come to. */
export const WEIGHT_TOLERANCE = 1e-9;

const numbers = record(number);

/** Recomputes the first stage and every stage that a loss report led to; returns how many updates. Differences are added to the list. */
export async function checkLosses(
  run: string,
  schedule: Schedule,
  differences: ReplayDifference[],
): Promise<number> {
  const { header, stages } = schedule;
  const path = runPaths(run).schedule;
  const names = header.domains.map(({ name }) => name);
  let updates = 0;
  for (const [index, stage] of stages.entries()) {
    const where = `${path} stage ${index}`;
    const earlier = { header, stages: stages.slice(0, index) };
    const before = stage.revises === undefined ? earlier : cutBefore(earlier, stage.fromBatch);
    try {
      if (index === 0 && stage.cause.kind === "initial")
        compareParts(stage, initialStage(stage, header), where, header, differences);
      if (stage.cause.kind !== "loss" || stage.measuredAt === undefined) continue;
      const report = await readReport(run, stage.measuredAt, names);
      meanLosses(report.domains, names);
      const [computed, ...split] = appendUpdate(before, report).stages.slice(before.stages.length);
      compareCause(stage, computed!, where, names, differences);
      compareParts(stage, computed!, where, header, differences);
      for (const [i, next] of split.entries())
        if (stages[index + 1 + i])
          compareParts(stages[index + 1 + i]!, next, `${path} stage ${index + 1 + i}`, header, differences);
      updates++;
    } catch (error) {
      if (!(error instanceof HeadraceError)) throw error;
      differences.push({
        what: "report",
        where: stage.measuredAt === undefined ? where : `${where}, measured at batch ${stage.measuredAt}`,
        expected: "the loss report that the stage was made from",
        seen: error.message,
      });
    }
  }
  return updates;
}

/** The first stage as the policy of the header gives it, ending where the recorded one does. */
function initialStage({ untilBatch }: WeightStage, header: ScheduleHeader): WeightStage {
  return appendStage(createSchedule(header), {
    fromBatch: 0,
    untilBatch,
    weights: initialWeights(header.policy),
    cause: { kind: "initial" },
  }).stages[0]!;
}

/** Losses and weights as the cause of a stage records them. */
function compareCause(
  recorded: WeightStage,
  computed: WeightStage,
  where: string,
  names: readonly string[],
  differences: ReplayDifference[],
): void {
  for (const field of ["losses", "weights"] as const) {
    const seen = numbers(recorded.cause[field] ?? {}, `${where}.cause.${field}`);
    const expected = numbers(computed.cause[field], `${where}.cause.${field}`);
    for (const name of names)
      if (!(Math.abs((seen[name] ?? Number.NaN) - expected[name]!) <= WEIGHT_TOLERANCE))
        differences.push({
          what: field === "losses" ? "report" : "weights",
          where: `${where}, ${field} of ${name}`,
          expected: `${expected[name]} from the loss${field === "losses" ? " report" : "es"}`,
          seen: String(seen[name]),
        });
  }
}

/** The integer weights that batches are made of. A last bit of exp may round one part up or down, which moves the largest by as many. */
function compareParts(
  recorded: WeightStage,
  computed: WeightStage,
  where: string,
  header: ScheduleHeader,
  differences: ReplayDifference[],
): void {
  for (const [i, { name }] of header.domains.entries())
    if (Math.abs(recorded.weights[i]! - computed.weights[i]!) > header.domains.length)
      differences.push({
        what: "weights",
        where: `${where}, weight of ${name}`,
        expected: `${computed.weights[i]}/${PARTS}`,
        seen: `${recorded.weights[i]}/${PARTS}`,
      });
}
