/**
 * One error class with a code a program can match.
 * A message names the subject, the value seen and the way out, on one line; the code is appended when it is printed.
 */

/** Every code that headrace throws. The prefix of a group is whose fault it is: the input, the output, the plan, the trainer. */
export type ErrorCode =
  | "ERR_ARGUMENT" // a flag or an option is out of range, misspelled or contradicts another
  | "ERR_PARSE" // outside data (JSON, a manifest, a message) has another shape than its format says
  | "ERR_INPUT" // an input is missing, unreadable or of an unknown kind
  | "ERR_DOMAIN" // a domain is unknown, unmapped or has no shards
  | "ERR_WEIGHTS" // weights are not finite, negative or do not sum to 1
  | "ERR_LOSS" // a loss report is not finite, misses a domain or counts no tokens
  | "ERR_TOKENIZER" // a tokenizer file is broken, unsupported or not the one that the shards name
  | "ERR_FILTER" // a filter model is broken, unknown or was made for another tokenizer
  | "ERR_CALIBRATION" // a calibration does not belong to these filters, or its target cannot be met
  | "ERR_OUTPUT" // an output folder belongs to something else, or cannot be written
  | "ERR_LOCKED" // another process holds the output folder
  | "ERR_SHARD" // a shard is cut, or is not an Arrow file of ours
  | "ERR_SHARD_HASH" // a shard's bytes are not those the manifest names
  | "ERR_MANIFEST" // a manifest contradicts itself or its files
  | "ERR_ACCOUNT" // read is not kept + held out + dropped + quarantined
  | "ERR_SCHEDULE" // a schedule is broken, or does not extend the one in hand
  | "ERR_UNDECIDED" // a batch past the decided part of the schedule was asked for
  | "ERR_EXHAUSTED" // a domain has no more rows under its policy
  | "ERR_WORLD" // the world size, micro-batch and accumulation do not make the batch
  | "ERR_TRAINER" // the trainer exited, hung, or broke the protocol
  | "ERR_REPLAY" // what was served differs from what the record says
  | "ERR_RUNTIME"; // this Node, zstd or Python cannot do what is needed

/** An error with a code, a one-line message and, where there is one, the error that caused it. */
export class HeadraceError extends Error {
  override readonly name = "HeadraceError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** The line a person reads: the message, then the code in brackets. */
  override toString(): string {
    return `${this.message}  [${this.code}]`;
  }
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, " ");
}
