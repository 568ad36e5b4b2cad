/**
 * What a build can be asked for, with every default.
 */
import type { DomainName } from "../core/domain.ts";
import type { SourceOptions } from "./source.ts";
import type { TaskProgress } from "./task.ts";

/** About so many documents of the input are read to choose thresholds. */
export const CALIBRATION_DOCUMENTS = 50_000;

/** Options of `build`. */
export interface BuildOptions {
  /** Files, folders and globs. */
  readonly inputs: readonly string[];
  /** Folder for the shards; made where it is absent, refused where it holds something else. */
  readonly out: string;
  /** What to drop, such as `ads=0.5:documents,fluency=0.15:documents`, in the order of judging. Default: nothing is dropped. */
  readonly drop?: string;
  /** Path of a calibration that `headrace calibrate` wrote, instead of `drop`. */
  readonly calibration?: string;
  /** Score and judge, but drop nothing: what would have been dropped is kept, and the score table says `kept:<filter>`. Default false. */
  readonly tagOnly?: boolean;
  /** `ads`, `fluency` or paths of model files: the score columns. Default: both built-in ones where the tokenizer is LLaMA-2's, else none. */
  readonly filters?: readonly string[];
  /** Filters of one's own, `NAME=KIND:VALUE:high|low,…` each (docs/filters.md). Default: none. */
  readonly ownFilters?: readonly string[];
  /** Domains that a filter applies to, by filter name. Default for each: commoncrawl and c4, as LLaMA-MoE. */
  readonly applyTo?: Readonly<Record<string, readonly DomainName[]>>;
  /** About how many documents a calibration reads. Default 50,000. */
  readonly calibrationDocuments?: number;
  /** `llama-2`, or the path of a `tokenizer.model` or `tokenizer.json`. Default `llama-2`. */
  readonly tokenizer?: string;
  /** Default `headrace`. */
  readonly tokenizerEngine?: "headrace" | "transformers";
  /** Default `spell`: text never yields a control id. */
  readonly specialTokens?: "spell" | "parse";
  /** Put the BOS id before every document. Default true, as LLaMA-MoE. */
  readonly bos?: boolean;
  /** Put the EOS id after every document. Default false, as LLaMA-MoE. */
  readonly eos?: boolean;
  /** Field paths, domains and limits of the records. */
  readonly source?: SourceOptions;
  /** Worker threads. Default: the processors that this process may use. No value changes a byte of the shards. */
  readonly workers?: number;
  /**
   * Bytes of text that a task, what a worker takes at a time, should hold: bigger files are cut and smaller ones grouped. Default 2^28, or
   * a 16th to a 32nd of a smaller corpus. At least 1. No value changes a byte of the shards.
   */
  readonly taskBytes?: number;
  /**
   * Records after which a task commits what it has: a killed build repeats fewer than so many a worker. Default 65,536, and always after
   * 16,777,216 tokens. At least 1. No value changes a byte of the shards.
   */
  readonly sectionRecords?: number;
  /** Bytes of token values a shard. Default 512,000,000. */
  readonly shardBytes?: number;
  /** Keep dropped documents as the split `dropped`. Default: where the input has under 100 GB. */
  readonly keepDropped?: boolean;
  /** The corpus' own validation set (files, folders, globs) instead of holding documents out. */
  readonly validation?: readonly string[];
  /** Tokens to hold out a domain, at most 5 % of it. Default 2,048,000 (500 rows of 4,096, as Sheared-LLaMA). 0: none. */
  readonly validationTokens?: number;
  /** Row at whose boundary a domain of fewer than 20 documents is split. Default 256. */
  readonly validationRow?: number;
  /** Build anew over the finished shards of another build, of which nothing is reused (`refilter` does). Default false. */
  readonly replace?: boolean;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** Is told in a sentence what a person may want to know while it happens: a lock in doubt, another build in the folder. */
  readonly onNote?: (sentence: string) => void;
  /** Seconds without a sign of life after which the lock of another machine is taken over. Default 120; above 0. */
  readonly lockSilenceSeconds?: number;
}

/** Where a build is. */
export interface BuildProgress extends TaskProgress {
  readonly phase: "calibrate" | "scan" | "read" | "judge" | "compact";
  /** In the unit of `bytes`: stored bytes of the input (in `scan` of the files that are scanned), in the phase `compact` bytes of token values; in `calibrate` and `judge` documents. */
  readonly total: number;
  /** What of it an earlier run of the same build had done. */
  readonly reused: Pick<TaskProgress, "bytes" | "tokens">;
}

/** Where a phase begins. */
export const NO_PROGRESS: Omit<BuildProgress, "phase" | "total"> = {
  bytes: 0,
  documents: 0,
  tokens: 0,
  dropped: 0,
  quarantined: 0,
  reused: { bytes: 0, tokens: 0 },
};
