/**
 * Reads Arrow IPC, files and streams, message by message: what `datasets`, pandas, polars and pyarrow write. A file is walked as the stream
 * that it holds; its footer serves to find the next message after a damaged one, and to check that none was missed.
 */
import { type ArrowField, type ArrowSchema, arrowPath } from "./arrow-fields.ts";
import {
  type ArrowBatch,
  type ArrowFooter,
  type ArrowMessage,
  arrowMagic,
  MAGIC_BYTES,
  MAX_PADDING,
  readArrowFooter,
  readArrowMessage,
} from "./arrow-message.ts";
import { type ArrowValues, openArrowValues } from "./arrow-values.ts";
import type { Cell, FieldPath, TableFields, TablePiece } from "./cells.ts";
import type { Damage } from "./pieces.ts";
import type { FileRange } from "./range.ts";
import type { TableFile } from "./table-file.ts";

/** Rows a piece where no column is read. */
const BLANK_ROWS = 8192;

type Piece = Omit<TablePiece, "columns">;
type Path = readonly ArrowField[];

/** Reads an Arrow file or stream, or a range of it. Lazy; passes on no error: what cannot be read is in the `damage` of a piece. */
export async function* readArrow(
  file: TableFile,
  fields: TableFields,
  range?: FileRange,
): AsyncGenerator<TablePiece> {
  const reader = new ArrowReader(file, fields);
  try {
    for await (const piece of range ? reader.piecesOf(range) : reader.pieces())
      yield { ...piece, columns: reader.columns };
  } catch (error) {
    // Nothing but the reading of bytes itself gets here.
    const to = range?.to.byte ?? file.bytes;
    yield {
      ...lost(Math.max(reader.at, range?.from.byte ?? 0), to, (error as Error).message),
      columns: reader.columns,
    };
  }
}

class ArrowReader {
  readonly #file: TableFile;
  readonly #fields: TableFields;
  readonly #dictionaries = new Map<number, readonly Cell[] | null>();
  #schema: ArrowSchema | null = null;
  #text: readonly Path[] = [];
  #domain: Path | null = null;
  #url: Path | null = null;
  #scores: readonly (Path | null)[] = [];
  #line = 1;
  #batches = 0;
  /** Position up to which pieces account for the file. */
  #at = 0;

  constructor(file: TableFile, fields: TableFields) {
    this.#file = file;
    this.#fields = fields;
  }

  get at(): number {
    return this.#at;
  }

  get columns(): readonly string[] {
    return this.#schema?.fields.map(({ name }) => name) ?? [];
  }

  async *pieces(): AsyncGenerator<Piece> {
    const { bytes } = this.#file;
    const { starts, ends } = await arrowMagic(this.#file);
    const isFile = starts || ends;
    let footer: ArrowFooter | null = null;
    let fault: string | null = null;
    if (isFile) {
      footer = await readArrowFooter(this.#file).catch((error: Error) => {
        fault = error.message;
        return null;
      });
      if (starts) yield this.#read(MAGIC_BYTES);
      else yield this.#lose(MAGIC_BYTES, "does not start with ARROW1; download it again");
    }
    const end = footer?.from ?? bytes;
    yield* this.#messages(footer, end, end);
    yield* this.#end(footer, fault, end);
  }

  /** The pieces of a range that a scan found: the whole file is as it should be but for what the messages hold. */
  async *piecesOf({ from, to, last }: FileRange): AsyncGenerator<Piece> {
    const { starts } = await arrowMagic(this.#file);
    const footer = starts ? await readArrowFooter(this.#file) : null;
    const end = footer?.from ?? this.#file.bytes;
    if (starts) this.#read(MAGIC_BYTES);
    // Schema and dictionaries come before the batches that need them.
    while (this.#at < from.byte) {
      const message = await readArrowMessage(this.#file, this.#at, end);
      if (message.kind === "schema") this.#take(message.schema);
      else if (message.kind === "dictionary") await this.#dictionary(message);
      else if (message.kind === "batch") {
        this.#batches++;
        this.#line += message.batch.rows;
      }
      this.#read(message.to);
    }
    if (from.byte === 0 && starts) yield { rows: null, stored: MAGIC_BYTES, damage: [] };
    yield* this.#messages(footer, Math.min(to.byte, end), end);
    if (last) yield* this.#end(footer, null, end);
  }

  /** The pieces of the messages up to `stop`. */
  async *#messages(footer: ArrowFooter | null, stop: number, end: number): AsyncGenerator<Piece> {
    for (let ended = false; !ended && this.#at < stop; ) {
      let message: ArrowMessage;
      try {
        message = await readArrowMessage(this.#file, this.#at, end);
        if (message.kind === "schema") this.#take(message.schema);
        else if (this.#schema === null && message.kind !== "other") {
          if (footer === null) throw new Error("it has no schema");
          this.#take(footer.schema);
        }
      } catch (error) {
        const next = Math.min(stop, footer?.starts.find((start) => start > this.#at) ?? end);
        if (footer !== null) this.#batches += footer.starts.includes(this.#at) ? 1 : 0;
        const rows =
          next < end ? "; how many rows it held is unknown, and later rows are numbered without them" : "";
        yield this.#lose(next, `${(error as Error).message}${rows}; download it again`);
        continue;
      }
      ended = message.kind === "end";
      if (message.kind === "batch") yield* this.#batch(message.batch, message.from, message.to);
      else if (message.kind === "dictionary") yield await this.#dictionary(message);
      else yield this.#read(message.to);
    }
  }

  /** What follows the messages. */
  async *#end(footer: ArrowFooter | null, fault: string | null, end: number): AsyncGenerator<Piece> {
    const { bytes } = this.#file;
    const at = this.#at;
    if (fault !== null) {
      yield this.#lose(bytes, `${fault}; download it again`);
      return;
    }
    if (footer === null) {
      const reason =
        at < bytes
          ? `${bytes - at} bytes follow its end mark`
          : at === 0
            ? "is empty; an Arrow file has at least a schema"
            : "";
      if (reason !== "" || !(await this.#endsWithMark()))
        yield this.#lose(bytes, `${reason || "has no end mark, so it may be cut"}; download it again`);
      return;
    }
    if (at < end && (end - at > MAX_PADDING || (await this.#file.read(at, end)).some((byte) => byte !== 0)))
      yield this.#lose(end, `${end - at} bytes between its end mark and its footer; download it again`);
    const known = footer.batches;
    if (known !== this.#batches) {
      yield this.#read(bytes);
      yield this.#lose(
        bytes,
        `has ${this.#batches} record batches, and its footer names ${known}; what is read may not be all of it`,
      );
    } else yield this.#read(bytes);
  }

  async #endsWithMark(): Promise<boolean> {
    const { bytes } = this.#file;
    return (
      bytes >= 8 && (await this.#file.read(bytes - 8, bytes)).equals(Buffer.from("ffffffff00000000", "hex"))
    );
  }

  #take(schema: ArrowSchema): void {
    this.#schema = schema;
    const { text, domain, url, scores } = this.#fields;
    const asText = (path: FieldPath) => arrowPath(schema, path)?.map((field) => ({ ...field, number: null }));
    const paths = text.map(asText);
    // A column is in every row, so that what is preferred less than it is never asked for.
    const last = paths.findIndex((path) => path?.length === 1);
    this.#text = paths.slice(0, last < 0 ? paths.length : last + 1).filter((path) => path !== undefined);
    this.#domain = (domain && asText(domain)) ?? null;
    this.#url = (url && asText(url)) ?? null;
    this.#scores = scores.map((path) => arrowPath(schema, path) ?? null);
  }

  /** Reads the values of a dictionary, where a needed column has it. */
  async #dictionary(message: Extract<ArrowMessage, { kind: "dictionary" }>): Promise<Piece> {
    const { id, isDelta, batch, to } = message;
    const leaf = [...this.#text, this.#domain, this.#url, ...this.#scores]
      .flatMap((path) => path?.at(-1) ?? [])
      .find(({ dictionary }) => dictionary?.id === id);
    if (leaf === undefined || leaf.holds !== null) return this.#read(to);
    try {
      // The values are a batch of one column.
      const column = { ...leaf, dictionary: null, node: 0, buffer: 0, view: 0 };
      const values = await openArrowValues(
        this.#file,
        batch,
        [column],
        new Map(),
        Number.POSITIVE_INFINITY,
        false,
      );
      const before = isDelta ? this.#dictionaries.get(id) : [];
      if (!before) throw new Error(`the dictionary that the one at byte ${message.from} adds to is missing`);
      this.#dictionaries.set(id, [...before, ...(await values.cells(0, batch.rows))]);
      return this.#read(to);
    } catch (error) {
      this.#dictionaries.set(id, null);
      return this.#lose(
        to,
        `the dictionary of column \`${leaf.name}\` is corrupt (${(error as Error).message}); download it again`,
      );
    }
  }

  async *#batch(batch: ArrowBatch, from: number, to: number): AsyncGenerator<Piece> {
    this.#batches++;
    const line = this.#line;
    this.#line += batch.rows;
    let row = 0;
    let leading: ArrowValues | null = null;
    try {
      const open = async (path: Path, leads: boolean) =>
        openArrowValues(this.#file, batch, path, this.#dictionaries, this.#fields.maxBytes, leads);
      const text: ArrowValues[] = [];
      for (const [i, path] of this.#text.entries()) text.push(await open(path, i === 0));
      const domain = this.#domain && (await open(this.#domain, text.length === 0));
      const url = this.#url && (await open(this.#url, false));
      const scores: (ArrowValues | null)[] = [];
      for (const path of this.#scores) scores.push(path && (await open(path, false)));
      leading = text[0] ?? domain;
      while (row < batch.rows) {
        const rows = (await leading?.fit(row)) ?? Math.min(batch.rows - row, BLANK_ROWS);
        const texts: (readonly Cell[])[] = [];
        for (const values of text) texts.push(await values.cells(row, row + rows));
        const domains = domain && (await domain.cells(row, row + rows));
        const urls = url && (await url.cells(row, row + rows));
        const scored: (readonly Cell[] | null)[] = [];
        for (const values of scores) scored.push(values && (await values.cells(row, row + rows)));
        const { stored } = this.#read(Math.max(this.#at, leading?.at ?? 0));
        const place = { line: line + row, rows, byteFrom: from, byteTo: to };
        const cells = { ...place, text: texts, domain: domains, url: urls, scores: scored };
        row += rows;
        yield { rows: cells, stored, damage: [] };
      }
      yield this.#read(to);
    } catch (error) {
      const reason = `rows ${line + row} to ${line + batch.rows - 1}: ${(error as Error).message}; download it again`;
      yield this.#lose(to, reason);
    }
  }

  #read(to: number): Piece {
    const stored = to - this.#at;
    this.#at = to;
    return { rows: null, stored, damage: [] };
  }

  #lose(to: number, reason: string): Piece {
    const piece = lost(this.#at, to, reason);
    this.#at = to;
    return piece;
  }
}

function lost(byteFrom: number, byteTo: number, reason: string): Piece {
  const damage: readonly Damage[] = [{ byteFrom, byteTo, reason }];
  return { rows: null, stored: 0, damage };
}
