/**
 * Arrow IPC streams: `<domain>/NNNNN.arrow`, for `datasets.Dataset.from_file` and whatever reads a stream and no file. From byte 8 to
 * its footer a shard is one already (docs/format.md 1.1), so the bytes are copied. Gives up the footer, by which a cut file is noticed.
 */
import { closeSync, fstatSync } from "node:fs";
import { HeadraceError } from "../../core/errors.ts";
import { openForReading, readExactly } from "../files.ts";
import type { GrowingFile } from "../pending-folder.ts";
import { type DomainExport, type DomainWritten, eachBatch, numbered, writeFileOf } from "./format.ts";

const CHUNK = 8 << 20;

/** Writes the files of a domain. Memory is 8 MiB and the index columns of a record batch. */
export async function exportArrowStream(of: DomainExport): Promise<DomainWritten> {
  const { dir, domain, folder, advance } = of;
  const files = [];
  let documents = 0;
  let tokens = 0;
  for (const [number, shard] of of.shards.entries()) {
    if (shard.foreign)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `${shard.path} refers to ${shard.foreign.source}, which is no Arrow file; import a copy of it, without --reference, or choose another format`,
      );
    await eachBatch(of, shard, async (reader, i, index) => {
      documents += index.documents;
      tokens += reader.batches[i]!.tokens;
    });
    files.push(
      await writeFileOf(folder, `${domain}/${numbered(number)}.arrow`, (file) =>
        copyStream(`${dir}/${shard.path}`, file),
      ),
    );
    advance(shard.tokens);
  }
  return { documents, tokens, files };
}

/** Copies the stream that lies in an Arrow file: what is between its opening magic and its footer. */
async function copyStream(path: string, file: GrowingFile): Promise<void> {
  const handle = openForReading(path);
  try {
    const size = fstatSync(handle).size;
    const tail = new DataView(new ArrayBuffer(10));
    readExactly(handle, new Uint8Array(tail.buffer), size - 10, path);
    const end = size - 10 - tail.getInt32(0, true);
    const mark = new BigUint64Array(1);
    readExactly(handle, new Uint8Array(mark.buffer), end - 8, path);
    if (mark[0] !== 0xffffffffn)
      throw new HeadraceError(
        "ERR_SHARD",
        `${path} has no end of stream before its footer; restore it or build again`,
      );
    for (let at = 8; at < end; at += CHUNK) {
      const chunk = new Uint8Array(Math.min(CHUNK, end - at));
      readExactly(handle, chunk, at, path);
      await file.write(chunk);
    }
  } finally {
    closeSync(handle);
  }
}
