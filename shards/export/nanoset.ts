/**
 * datatrove's tokenized files, which nanotron's Nanoset reads: `<domain>/NNNNN.ds` (token values), `.ds.index` (document ends in tokens,
 * uint64) and `.ds.metadata`, one of each a shard. Layout of datatrove/pipeline/tokens/tokenizer.py (datatrove 0.10.1).
 */
import { tokenArray, tokenBytes } from "../schema.ts";
import { type DomainExport, type DomainWritten, eachBatch, numbered, writeFileOf } from "./format.ts";

/** Writes the files of a domain. Memory is one record batch and eight bytes a document of a shard. */
export async function exportNanoset(of: DomainExport): Promise<DomainWritten> {
  const { domain, manifest, folder, advance } = of;
  const width = tokenBytes(manifest.tokenType);
  const files = [];
  let documents = 0;
  let tokens = 0;
  for (const [number, shard] of of.shards.entries()) {
    const path = `${domain}/${numbered(number)}.ds`;
    const ends = new BigUint64Array(shard.documents);
    let ended = 0;
    let written = 0;
    const data = await writeFileOf(folder, path, async (file) => {
      await eachBatch(of, shard, async (reader, i, { documents: n, offsets }) => {
        const values = tokenArray(manifest.tokenType, reader.batches[i]!.tokens);
        reader.readTokens(i, 0, values);
        await file.write(values);
        for (let d = 0; d < n; d++) ends[ended++] = BigInt(written + offsets[d + 1]!);
        written += values.length;
        advance(values.length);
      });
    });
    const index = await writeFileOf(folder, `${path}.index`, (file) => file.write(ends));
    const count = data.bytes / width;
    const text = `${manifest.tokenizer.name}|${width}\n${count}\n${metric(count)}T`;
    const metadata = await writeFileOf(folder, `${path}.metadata`, (file) =>
      file.write(new TextEncoder().encode(text)),
    );
    files.push(data, index, metadata);
    documents += ended;
    tokens += count;
  }
  return { documents, tokens, files };
}

/** A count to three digits with its SI prefix, as humanize.metric prints it: 2504545 is `2.50 M`, 950 is `950 `. */
function metric(count: number): string {
  const exponent = count === 0 ? 0 : Math.floor(Math.log10(count));
  const thousands = Math.floor(exponent / 3);
  const digits = Math.max(0, 2 - (exponent % 3));
  return `${(count / 10 ** (3 * thousands)).toFixed(digits)} ${["", "k", "M", "G", "T", "P"][thousands]}`;
}
