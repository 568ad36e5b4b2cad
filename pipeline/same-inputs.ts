/**
 * Whether the input files that two machines see are the same ones, and the identity by which both know them.
 */
import { HeadraceError } from "../core/errors.ts";
import { array, integer, nullable, number, object, type Parser, string } from "../core/parse.ts";
import type { InputFile, InputPlan } from "./inputs.ts";
import { sameTime } from "./modified.ts";
import type { Prepared } from "./prepare.ts";

type Recorded = readonly [source: string, bytes: number, modified: number];

const recorded: Parser<Recorded> = (value, at) => {
  const [source, bytes, modified] = array((item) => item)(value, at);
  return [string(source, `${at}[0]`), integer(0)(bytes, `${at}[1]`), number(modified, `${at}[2]`)];
};

/** The input files as a build's plan holds them: path, bytes and time of change of each. */
export const recordedInputs = object({ train: array(recorded), validation: nullable(array(recorded)) });

/** The identity of the input files: names, sizes and times of change; contents are hashed while they are read. */
export function inputIdentity({ train, validation }: Pick<Prepared, "train" | "validation">): {
  readonly train: readonly Recorded[];
  readonly validation: readonly Recorded[] | null;
} {
  const identity = ({ files }: InputPlan) =>
    files.map(({ source, bytes, modified }): Recorded => [source, bytes, modified]);
  return { train: identity(train), validation: validation && identity(validation) };
}

/**
 * The build with the times of change that the plan of its first machine recorded, so that all machines make the same tasks.
 * Throws ERR_INPUT naming the first file that is not the one there: another name, another size, or a time that is more than rounded.
 */
export function withRecordedTimes(prepared: Prepared, inputs: unknown): Prepared {
  const there = recordedInputs(inputs, `${prepared.buildFolder}/build.json: inputs`);
  return {
    ...prepared,
    train: withTimes(prepared.train, there.train),
    validation: prepared.validation && withTimes(prepared.validation, there.validation ?? []),
  };
}

function withTimes(plan: InputPlan, there: readonly Recorded[]): InputPlan {
  const known = new Map(there.map((file) => [file[0], file]));
  const files = plan.files.map((file): InputFile => {
    const [, bytes, modified] = known.get(file.source) ?? refuse(`${file.source} is here and was not there`);
    if (bytes !== file.bytes)
      refuse(`${file.source} has ${file.bytes} bytes here and had ${bytes} bytes there`);
    if (!sameTime(modified, file.modified))
      refuse(
        `${file.source} was changed at ${timeOf(file.modified)} here and at ${timeOf(modified)} there`,
        "; a copy must keep the times (cp -p, rsync -t), and a file that was changed needs a build of its own",
      );
    return { ...file, modified };
  });
  const here = new Set(files.map(({ source }) => source));
  const lost = there.find(([source]) => !here.has(source));
  if (lost) refuse(`${lost[0]} is not here and was there`);
  return { ...plan, files };
}

function refuse(what: string, wayOut = "; give every machine the same input"): never {
  throw new HeadraceError(
    "ERR_INPUT",
    `the input is not that of the machine that began this build: ${what}${wayOut}`,
  );
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
