/**
 * Reads a `tokenizer.json` of byte-level BPE: GPT-2's, LLaMA-3's, Qwen-2's and o200k's patterns, digits apart, NFC, added tokens.
 * What would change ids and is not supported is refused by name.
 */
import {
  anything,
  array,
  boolean,
  nullable,
  object,
  oneOf,
  optional,
  type Parser,
  parseJson,
  string,
} from "../../core/parse.ts";
import type { AddedToken } from "./added-tokens.ts";
import { BYTE_CHARACTERS, type ByteLevelVocabulary } from "./byte-level.ts";
import { type ControlNames, controlIds } from "./control-names.ts";
import { PATTERNS, type PreTokenizerStep } from "./pre-tokenizer.ts";
import type { SpecialTokens } from "./special-tokens.ts";
import { brief, mergeList, parseTokenizerFile, type Refuse, type TokenizerFile } from "./tokenizer-file.ts";
import { normalizeNfc } from "./unicode.ts";

const TYPED = object({ type: string });
const SEQUENCE = object({
  pretokenizers: optional(array(anything), []),
  normalizers: optional(array(anything), []),
});
const BYTE_LEVEL = object({ add_prefix_space: optional(boolean, true), use_regex: optional(boolean, true) });
const SPLIT = object({
  pattern: object({ Regex: optional(nullable(string), null) }),
  behavior: oneOf("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"),
  invert: optional(boolean, false),
});
const DIGITS = object({ individual_digits: optional(boolean, false) });

/** Whether the text of a `tokenizer.json` is of byte-level BPE: its pre-tokenizer is ByteLevel or ends in it. */
export function isByteLevel(text: string, subject: string): boolean {
  const { pre_tokenizer } = parseJson(text, object({ pre_tokenizer: anything }), subject);
  return flat(pre_tokenizer, "pretokenizers", subject).some(({ type }) => type === "ByteLevel");
}

/** The vocabulary in the text of a `tokenizer.json`. `subject` names the file in errors. Throws ERR_TOKENIZER, ERR_PARSE. */
export function parseByteLevelJson(
  text: string,
  subject: string,
  names: ControlNames = {},
  specialTokens: SpecialTokens = "spell",
): ByteLevelVocabulary {
  const file = parseTokenizerFile(text, subject);
  const { model, vocab, refuse } = file;
  if (model.byte_fallback) refuse("byte fallback beside byte-level pieces");
  const normalizer = normalizerOf(file.normalizer, subject, refuse);
  const { preTokenizer, prefixSpace } = preTokenizerOf(file.pre_tokenizer, subject, refuse);

  const pieces: (string | null)[] = [];
  for (const [piece, id] of vocab) {
    const other = pieces[id];
    if (other !== undefined)
      refuse(`id ${id} for both ${JSON.stringify(other)} and ${JSON.stringify(piece)}`);
    pieces[id] = piece;
  }
  for (let id = 0; id < pieces.length; id++) pieces[id] ??= null;
  const addedTokens = addedTokensOf(file, normalizer, specialTokens);
  const byteIds = Int32Array.from(BYTE_CHARACTERS, (character) => vocab.get(character) ?? -1);
  const missing = byteIds.indexOf(-1);
  if (missing >= 0 && model.unk_token !== null)
    refuse(`no piece for byte ${missing} and ${JSON.stringify(model.unk_token)} in its place`);
  const merges = mergesOf(file, subject);
  checkSpecials(file, merges);

  return {
    pieces,
    merges,
    byteIds,
    ignoreMerges: model.ignore_merges,
    normalizer,
    preTokenizer,
    prefixSpace,
    addedTokens,
    ...controlIds(addedTokens, names),
  };
}

function normalizerOf(value: unknown, subject: string, refuse: Refuse): "nfc" | null {
  const steps = flat(value, "normalizers", `${subject}.normalizer`);
  if (steps.some(({ type }) => type !== "NFC")) refuse(`normaliser ${brief(value)}`);
  return steps.length > 0 ? "nfc" : null;
}

function preTokenizerOf(
  value: unknown,
  subject: string,
  refuse: Refuse,
): { readonly preTokenizer: readonly PreTokenizerStep[]; readonly prefixSpace: boolean } {
  const at = `${subject}.pre_tokenizer`;
  const steps: PreTokenizerStep[] = [];
  let prefixSpace = false;
  const parts = flat(value, "pretokenizers", at);
  for (const [i, part] of parts.entries()) {
    if ((part.type === "ByteLevel") !== (i === parts.length - 1)) refuse(`pre-tokenizer ${brief(value)}`);
    if (part.type === "ByteLevel") {
      const { add_prefix_space, use_regex } = BYTE_LEVEL(part.value, at);
      if (add_prefix_space && i > 0) refuse("add_prefix_space behind another pre-tokenizer");
      prefixSpace = add_prefix_space;
      if (use_regex) steps.push("gpt-2");
    } else if (part.type === "Digits") {
      steps.push(DIGITS(part.value, at).individual_digits ? "digits" : "digit-runs");
    } else if (part.type === "Split") {
      const { pattern, behavior, invert } = SPLIT(part.value, at);
      // The patterns cover every text, so keeping what they match is the same as isolating it.
      const cuts = (behavior === "Isolated" && !invert) || (behavior === "Removed" && invert);
      const step = PATTERNS.get(pattern.Regex ?? "");
      if (!cuts || step === undefined) return refuse(`pre-tokenizer ${brief(part.value)}`);
      steps.push(step);
    } else refuse(`pre-tokenizer ${brief(part.value)}`);
  }
  return { preTokenizer: steps, prefixSpace };
}

/** Checks added tokens against the ids that the library would give them: a piece's own, else the next one after all others. */
function addedTokensOf(
  { added_tokens, vocab, refuse }: TokenizerFile,
  normalizer: "nfc" | null,
  specialTokens: SpecialTokens,
): readonly AddedToken[] {
  let next = vocab.size;
  const seen = new Set<string>();
  return added_tokens.map(({ id, content, special, normalized, lstrip, rstrip, single_word }) => {
    const name = `the added token ${JSON.stringify(content)}`;
    if (content === "" || seen.has(content)) refuse(`${name} twice or empty`);
    seen.add(content);
    // Which of two that are spelled alike once normalised is meant, the library leaves to the order of a hash map.
    const spelling = `normalised ${normalizer === "nfc" ? normalizeNfc(content) : content}`;
    if (normalized && seen.size === seen.add(spelling).size) refuse(`${name} like another once normalised`);
    const given = vocab.get(content) ?? next;
    if (given !== id) refuse(`${name} with id ${id}, where tokenizers takes ${given}`);
    next = Math.max(next, id + 1);
    if ((!special || specialTokens === "parse") && (lstrip || rstrip || single_word))
      refuse(`${name} that is not matched plainly`);
    return { id, content, special, normalized };
  });
}

function mergesOf({ model, vocab, refuse }: TokenizerFile, subject: string): Int32Array {
  const list = mergeList(model.merges, `${subject}.model.merges`);
  const merges = new Int32Array(3 * list.length);
  const seen = new Set<number>();
  for (const [i, [left, right]] of list.entries()) {
    const a = vocab.get(left);
    const b = vocab.get(right);
    const result = vocab.get(left + right);
    if (a === undefined || b === undefined || result === undefined)
      return refuse(`merge ${JSON.stringify([left, right])} of what is not in its vocabulary`);
    if (seen.size === seen.add(a * 2 ** 25 + b).size) refuse(`merge ${JSON.stringify([left, right])} twice`);
    merges.set([a, b, result], 3 * i);
  }
  return merges;
}

/** A control id must come from nothing but the spelling of its token. */
function checkSpecials({ added_tokens, model, vocab, refuse }: TokenizerFile, merges: Int32Array): void {
  const special = new Map(
    added_tokens.filter((token) => token.special).map(({ id, content }) => [id, content]),
  );
  const reached = (id: number) =>
    refuse(`the special token ${JSON.stringify(special.get(id))} that text can be merged to`);
  for (let i = 2; i < merges.length; i += 3) if (special.has(merges[i]!)) reached(merges[i]!);
  for (const [id, content] of special)
    if (vocab.get(content) === id && (model.ignore_merges || [...content].length === 1)) reached(id);
}

interface Part {
  readonly type: string;
  readonly value: unknown;
}

/** The steps of a normaliser or pre-tokenizer: none for null, those inside for a sequence. */
function flat(value: unknown, field: "normalizers" | "pretokenizers", at: string): readonly Part[] {
  if (value === null || value === undefined) return [];
  const { type } = (TYPED as Parser<{ readonly type: string }>)(value, at);
  if (type !== "Sequence") return [{ type, value }];
  return SEQUENCE(value, at)[field].flatMap((part) => flat(part, field, at));
}
