/** Where the tokens of one input document lie in a folder of shards. */
import { openListedShard } from "./listed-shard.ts";
import type { ShardManifest, Split, TokenShard } from "./manifest.ts";

/** A stretch of a stream that holds tokens of one document. */
export interface DocumentPlace {
  readonly split: Split;
  readonly domain: string;
  /** Path of the shard in its folder. */
  readonly shard: string;
  /** First token in the stream of the split and domain. */
  readonly position: number;
  /** Tokens; 0 for a document without any. */
  readonly tokens: number;
}

/**
 * Every stretch that holds tokens of the document at a line (1-based) of a source, in stream order: one, or several where the document was divided
 * between splits (docs/format.md 1.5), or none. Reads the dictionaries of all shards, and of those that name the source the columns up to the line.
 * Throws ERR_SHARD.
 */
export function findDocument(
  dir: string,
  manifest: ShardManifest,
  source: string,
  line: number,
): readonly DocumentPlace[] {
  const places: DocumentPlace[] = [];
  const ends = new Map<string, number>();
  for (const listed of manifest.shards) {
    const { path, split, domain, tokens } = listed;
    const stream = `${split}/${domain}`;
    const start = ends.get(stream) ?? 0;
    ends.set(stream, start + tokens);
    for (const [position, count] of placesIn(dir, manifest, listed, source, line))
      places.push({ split, domain, shard: path, position: start + position, tokens: count });
  }
  return places;
}

/** First token in the shard, and tokens, of each document at a line of a source. */
function placesIn(
  dir: string,
  manifest: ShardManifest,
  listed: TokenShard,
  source: string,
  line: number,
): (readonly [number, number])[] {
  const shard = openListedShard(dir, manifest, listed);
  try {
    const number = shard.sources.indexOf(source);
    if (number < 0) return [];
    const found: (readonly [number, number])[] = [];
    let start = 0;
    for (const [i, { tokens }] of shard.batches.entries()) {
      const { documents, offsets, sources, lines } = shard.readIndex(i);
      for (let d = 0; d < documents; d++)
        if (lines[d] === line && sources[d] === number)
          found.push([start + offsets[d]!, offsets[d + 1]! - offsets[d]!]);
      start += tokens;
    }
    return found;
  } finally {
    shard.close();
  }
}
