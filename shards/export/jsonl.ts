/**
 * JSON lines: `<domain>/NNNNN.jsonl`, one `{source, line, domain, scores, tokens}` a document, one file a shard; with a decoder also `text`.
 * For looking and for tools that read nothing else: about five times the bytes of a shard.
 */
import { type DomainExport, type DomainWritten, eachBatch, numbered, writeFileOf } from "./format.ts";

/** Text that is collected before it is written, in UTF-16 units. */
const CHUNK = 1 << 20;

/** Writes the files of a domain. Memory is one record batch and one line. */
export async function exportJsonl(of: DomainExport): Promise<DomainWritten> {
  const { domain, folder, advance, options } = of;
  const encoder = new TextEncoder();
  const files = [];
  let documents = 0;
  let tokens = 0;
  for (const [number, shard] of of.shards.entries())
    files.push(
      await writeFileOf(folder, `${domain}/${numbered(number)}.jsonl`, async (file) => {
        await eachBatch(of, shard, async (reader, i) => {
          const batch = reader.readBatch(i);
          let lines = "";
          for (let d = 0; d < batch.documents; d++) {
            const ids = batch.tokens.subarray(batch.offsets[d]!, batch.offsets[d + 1]!);
            const fields = {
              source: reader.sources[batch.sources[d]!]!,
              line: batch.lines[d]!,
              domain,
              scores: Object.fromEntries(
                reader.schema.filters.map((name, f) => [name, batch.scores[f]![d]!]),
              ),
              tokens: Array.from(ids),
              ...(options.decode && { text: options.decode(ids) }),
            };
            lines += `${JSON.stringify(fields)}\n`;
            tokens += ids.length;
            if (lines.length < CHUNK && d + 1 < batch.documents) continue;
            await file.write(encoder.encode(lines));
            lines = "";
          }
          documents += batch.documents;
          advance(batch.tokens.length);
        });
      }),
    );
  return { documents, tokens, files };
}
