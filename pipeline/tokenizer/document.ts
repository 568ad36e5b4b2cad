/**
 * A document's ids as they are stored: BOS in front by default and no EOS, as LLaMA-MoE did.
 */
import type { Document, TokenIds } from "../../core/document.ts";
import { HeadraceError } from "../../core/errors.ts";
import {
  type DocumentTokens,
  ensureCapacity,
  type TokenBuffer,
  type Tokenizer,
  tokenBuffer,
} from "./tokenizer.ts";

/** Writes BOS, the ids of the text and EOS, as asked, to the buffer at `at`; returns how many. Throws ERR_ARGUMENT without such an id. */
export function encodeDocumentInto(
  tokenizer: Tokenizer,
  document: Pick<Document, "text" | "utf8">,
  options: DocumentTokens,
  buffer: TokenBuffer,
  at: number,
): number {
  let end = at;
  if (options.bos ?? true) ensureCapacity(buffer, end + 1)[end++] = controlId(tokenizer, "bos");
  end +=
    document.utf8 && tokenizer.encodeUtf8Into
      ? tokenizer.encodeUtf8Into(document.utf8, buffer, end)
      : tokenizer.encodeInto(document.text, buffer, end);
  if (options.eos ?? false) ensureCapacity(buffer, end + 1)[end++] = controlId(tokenizer, "eos");
  return end - at;
}

/** The ids of one document with BOS and EOS as asked. Throws ERR_ARGUMENT when the vocabulary has no such id. */
export function encodeDocument(tokenizer: Tokenizer, text: string, options: DocumentTokens = {}): TokenIds {
  const buffer = tokenBuffer(tokenizer, text.length + 2);
  const count = encodeDocumentInto(tokenizer, { text }, options, buffer, 0);
  return buffer.ids.slice(0, count);
}

function controlId(tokenizer: Tokenizer, which: "bos" | "eos"): number {
  const id = tokenizer[which];
  if (id === null)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `tokenizer ${tokenizer.name} has no ${which.toUpperCase()} id; ask for documents without it`,
    );
  return id;
}
