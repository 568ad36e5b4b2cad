/**
 * Where a table can be cut: at row groups of parquet, at record batches of Arrow. Only what says where they lie is read, and all bytes for
 * the hash.
 */
import { arrowMagic, MAX_PADDING, readArrowFooter, readArrowMessage } from "./arrow-message.ts";
import type { InputFile } from "./inputs.ts";
import { readParquetFooter } from "./parquet-footer.ts";
import type { FileCut, Scan } from "./range.ts";
import { TableFile } from "./table-file.ts";

/** A stored byte, and the row that follows. */
type Place = Pick<FileCut, "byte" | "line">;

/** Scans a table for ranges of about `bytes` stored bytes. Null where anything is not as it should be. */
export async function scanTable(file: InputFile, bytes: number): Promise<Scan | null> {
  const stored = await TableFile.open(file.path, file.bytes);
  if (typeof stored === "string") return null;
  try {
    const places = file.format === "parquet" ? await groupPlaces(stored) : await batchPlaces(stored);
    const end = places === null ? null : await stored.finish();
    return places === null || end === null || "problem" in end
      ? null
      : { sha256: end.sha256, cuts: chosen(places, file.bytes, bytes) };
  } catch {
    // Whoever reads the whole file says what this is.
    return null;
  } finally {
    await stored.close();
  }
}

/** The places of which each is at least `bytes` after the one before, and the last no less than half of that before the end. */
function chosen(places: readonly Place[], size: number, bytes: number): readonly FileCut[] {
  const cuts: Place[] = [{ byte: 0, line: 1 }];
  for (const place of places) if (place.byte - cuts.at(-1)!.byte >= bytes) cuts.push(place);
  if (cuts.length > 1 && size - cuts.at(-1)!.byte < bytes / 2) cuts.pop();
  const end = { byte: size, line: places.at(-1)?.line ?? 1 };
  return [...cuts, end].map((place) => ({ ...place, decodedAt: 0, lineAt: 0 }));
}

async function groupPlaces(file: TableFile): Promise<readonly Place[] | null> {
  const { starts, doubt, groups } = await readParquetFooter(file);
  return starts && doubt === null ? groups.map(({ from, line }) => ({ byte: from, line })) : null;
}

async function batchPlaces(file: TableFile): Promise<readonly Place[] | null> {
  const { starts, ends } = await arrowMagic(file);
  if (starts !== ends) return null;
  const footer = starts ? await readArrowFooter(file) : null;
  const end = footer?.from ?? file.bytes;
  const places: Place[] = [];
  let line = 1;
  for (let at = starts ? 8 : 0; at < end; ) {
    const message = await readArrowMessage(file, at, end);
    if (message.kind === "batch") {
      places.push({ byte: at, line });
      line += message.batch.rows;
    }
    at = message.to;
    if (message.kind !== "end") continue;
    const whole = footer ? end - at <= MAX_PADDING && places.length === footer.batches : at === file.bytes;
    return whole ? places : null;
  }
  return null;
}
