/**
 * What every worker of a build is given once; plain data.
 */
import type { CurateSetup } from "./curator.ts";
import type { Prepared } from "./prepare.ts";
import { SECTION_RECORDS } from "./section.ts";
import type { SourceOptions } from "./source.ts";

/** The setup of a worker. */
export interface WorkSetup {
  /** `DIR/.build`. */
  readonly buildFolder: string;
  readonly curate: CurateSetup;
  readonly source: SourceOptions;
  readonly keepDropped: boolean;
  /** Records of a section at most. */
  readonly sectionRecords: number;
}

/** The setup of a build's workers. */
export function workSetup(prepared: Prepared, curate: CurateSetup): WorkSetup {
  const { buildFolder, source, keepDropped, options } = prepared;
  const { sectionRecords = SECTION_RECORDS } = options;
  return { buildFolder, source, keepDropped, sectionRecords, curate };
}
