/**
 * The tokenizer.json that a converter makes of the pieces of a tiny SentencePiece model (model.ts).
 */
import { bytePiece, SPACE_MARK } from "../../../pipeline/tokenizer/vocabulary.ts";

export interface JsonSettings {
  /** How merges of one score are listed: by the ids of the parts (older converters), or the longest left part first (newer ones). */
  readonly order?: "by id" | "longest left first";
}

/** The text of the file; ids as in model.ts. */
export function tokenizerJson(
  pieces: readonly (readonly [piece: string, score: number])[],
  { order = "by id" }: JsonSettings = {},
): string {
  const bytes = Array.from({ length: 256 }, (_, byte) => bytePiece(byte));
  const all = ["<unk>", "<s>", "</s>", ...bytes, ...pieces.map(([piece]) => piece)];
  const vocab = Object.fromEntries(all.map((piece, id) => [piece, id]));
  const merges = pieces.flatMap(([piece, score]) => {
    const characters = [...piece];
    return characters
      .map((_, i) => [characters.slice(0, i).join(""), characters.slice(i).join("")] as const)
      .filter(([left, right]) => left in vocab && right in vocab)
      .sort(([a, b], [c, d]) => vocab[a]! - vocab[c]! || vocab[b]! - vocab[d]!)
      .map(([left, right]) => ({ left, right, score }));
  });
  merges.sort((a, b) => {
    if (a.score !== b.score) return b.score - a.score;
    return order === "by id" ? 0 : b.left.length - a.left.length || b.right.length - a.right.length;
  });
  return JSON.stringify({
    added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: SPACE_MARK },
        { type: "Replace", pattern: { String: " " }, content: SPACE_MARK },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE_MARK }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      byte_fallback: true,
      vocab,
      merges: merges.map(({ left, right }) => `${left} ${right}`),
    },
  });
}
