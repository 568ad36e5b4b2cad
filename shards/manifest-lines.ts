/**
 * A manifest as it is written here, with a line for each shard, read a piece at a time: there is never more than a piece of its text and one shard's JSON
 * beside what is kept, and a manifest of 60,000 shards has 22 MB of text.
 */
import { createReadStream } from "node:fs";

const OPENING = '\n  "shards": [\n';
const READ_BYTES = 2 ** 18;

/**
 * Calls `take` with the JSON of each shard, in order, and returns the text of the manifest without them. null where the file is written in another way:
 * then `take` may have been called, and whoever reads it whole says what is wrong, if anything is. Throws what reading throws.
 */
export async function readShardLines(path: string, take: (json: string) => void): Promise<string | null> {
  let rest = "";
  let inside = false;
  let seen = false;
  let carried: Buffer = Buffer.alloc(0);
  for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES })) {
    const bytes: Buffer = carried.length === 0 ? piece : Buffer.concat([carried, piece]);
    let at = 0;
    for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
      const line = bytes.toString("utf8", at, end + 1);
      at = end + 1;
      if (inside && line.startsWith("    {")) {
        take(line.endsWith(",\n") ? line.slice(0, -2) : line);
        continue;
      }
      inside = !seen && line === OPENING.slice(1);
      seen ||= inside;
      rest += line;
    }
    carried = Buffer.from(bytes.subarray(at));
  }
  return seen ? rest + carried.toString("utf8") : null;
}
