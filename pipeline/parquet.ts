/**
 * Reads parquet page by page, the needed columns side by side, so that memory holds a page and a dictionary a column whatever the size
 * of a row group. A page that cannot be decoded costs the rows it holds and no others; what it was and which rows they are is reported.
 */
import type { Cell, TableFields, TablePiece } from "./cells.ts";
import {
  type ParquetChunk,
  type ParquetColumn,
  type ParquetField,
  type ParquetFooter,
  type ParquetGroup,
  readParquetFooter,
} from "./parquet-footer.ts";
import {
  decodeDataPage,
  decodeDictionary,
  decodePageHeader,
  type PageHeader,
  type ParquetValue,
} from "./parquet-page.ts";
import type { Damage } from "./pieces.ts";
import type { FileRange } from "./range.ts";
import { ByteWindow, type TableFile } from "./table-file.ts";

/** Page headers are short, but statistics inside can make them long. */
const HEADER_BYTES = 16 * 1024;
const LONG_HEADER_BYTES = 1024 * 1024;
/** Rows a piece where no column is read. */
const BLANK_ROWS = 8192;

/** Reads a parquet file, or the row groups of a range. Lazy; passes on no error: what cannot be read is in the `damage` of a piece. */
export async function* readParquet(
  file: TableFile,
  fields: TableFields,
  range?: FileRange,
): AsyncGenerator<TablePiece> {
  const start = range?.from.byte ?? 0;
  const stop = range?.to.byte ?? file.bytes;
  let footer: ParquetFooter;
  try {
    footer = await readParquetFooter(file);
  } catch (error) {
    yield onlyDamage([{ byteFrom: start, byteTo: stop, reason: (error as Error).message }]);
    return;
  }
  const columns = footer.columns;
  const text = textFields(footer, fields);
  const domain = fields.domain === null ? undefined : asText(footer.field(fields.domain));
  const url = fields.url ? asText(footer.field(fields.url)) : undefined;
  const scores = fields.scores.map((path) => footer.field(path));
  let at = start;
  if (!footer.starts && start === 0) {
    yield onlyDamage([{ byteFrom: 0, byteTo: 4, reason: "does not start with PAR1; download it again" }]);
    at = 4;
  }
  for (const group of footer.groups) {
    if (group.from < start || group.from >= stop) continue;
    const own = { ...group, from: Math.max(at, group.from), chunk: group.chunk };
    for await (const piece of readGroup(file, own, { text, domain, url, scores }))
      yield { ...piece, columns };
    at = group.to;
  }
  if (stop < file.bytes) return;
  const { doubt, from } = footer;
  const end = doubt === null ? [] : [{ byteFrom: from, byteTo: from, reason: `${doubt}; download it again` }];
  yield { rows: null, stored: file.bytes - at, damage: end, columns };
}

/** The text fields that rows may have, up to the first that every row has. */
function textFields(footer: ParquetFooter, { text }: TableFields): readonly ParquetField[] {
  const found: ParquetField[] = [];
  for (const path of text) {
    const field = asText(footer.field(path));
    if (field !== undefined) found.push(field);
    if (field !== undefined && footer.columns.includes(path.name)) break;
  }
  return found;
}

/** A field of which strings are wanted: its numbers are not read. */
function asText<Field extends ParquetField | undefined>(field: Field): Field {
  return field && "index" in field ? { ...field, number: null } : field;
}

/** The fields that are read of a group. */
interface GroupFields {
  readonly text: readonly ParquetField[];
  readonly domain: ParquetField | undefined;
  readonly url: ParquetField | undefined;
  readonly scores: readonly (ParquetField | undefined)[];
}

async function* readGroup(
  file: TableFile,
  group: ParquetGroup,
  { text, domain, url, scores }: GroupFields,
): AsyncGenerator<Omit<TablePiece, "columns">> {
  const span = group.to - group.from;
  if (group.rows === 0) {
    yield { rows: null, stored: span, damage: [] };
    return;
  }
  const needed = [...text, domain, url, ...scores].filter((field) => field !== undefined && "index" in field);
  const chunks = new Map<number, { readonly column: ParquetColumn; readonly chunk: ParquetChunk }>();
  try {
    for (const column of needed) chunks.set(column.index, { column, chunk: group.chunk(column) });
    const places = [...chunks.values()].map(({ chunk }) => chunk).sort((a, b) => a.from - b.from);
    if (places.some(({ from }, i) => i > 0 && from < places[i - 1]!.to))
      throw new Error("its columns overlap");
  } catch (error) {
    const reason = `rows ${group.line} to ${group.line + group.rows - 1}: ${(error as Error).message}; download it again`;
    yield { rows: null, stored: 0, damage: [{ byteFrom: group.from, byteTo: group.to, reason }] };
    return;
  }

  const largest = [...chunks.values()].reduce((most, { chunk }) => Math.max(most, chunk.to - chunk.from), 0);
  const readers = new Map<number, PageReader>();
  let leading: PageReader | null = null;
  for (const [index, { column, chunk }] of chunks) {
    const leads = leading === null && chunk.to - chunk.from === largest;
    const reader = new PageReader(file, group, column, chunk, leads);
    if (leads) leading = reader;
    readers.set(index, reader);
  }

  const all = [...readers.values()];
  const cellsOf = (field: ParquetField, rows: number): readonly Cell[] =>
    "index" in field ? readers.get(field.index)!.cells(rows) : new Array<Cell>(rows).fill(field);
  let stored = 0;
  for (let row = 0; row < group.rows; ) {
    for (const reader of all) await reader.fill();
    const rows = Math.min(
      group.rows - row,
      all.length === 0 ? BLANK_ROWS : Math.min(...all.map(({ left }) => left)),
    );
    if (all.every(({ damaged }) => !damaged)) {
      const passed = leading?.takeStored() ?? 0;
      stored += passed;
      yield {
        rows: {
          line: group.line + row,
          rows,
          text: text.map((field) => cellsOf(field, rows)),
          domain: domain === undefined ? null : cellsOf(domain, rows),
          url: url === undefined ? null : cellsOf(url, rows),
          scores: scores.map((field) => (field === undefined ? null : cellsOf(field, rows))),
          byteFrom: leading?.byteFrom ?? group.from,
          byteTo: leading?.byteTo ?? group.to,
        },
        stored: passed,
        damage: [],
      };
    }
    for (const reader of all) reader.skip(rows);
    row += rows;
  }
  for (const reader of all) reader.finish();
  const damage = all.flatMap((reader) => reader.damage).sort((a, b) => a.byteFrom - b.byteFrom);
  const lost = damage.reduce((sum, { byteFrom, byteTo }) => sum + byteTo - byteFrom, 0);
  yield { rows: null, stored: span - lost - stored, damage };
}

/** The pages of one column of a row group, one at a time. */
class PageReader {
  byteFrom: number;
  byteTo: number;
  readonly #window: ByteWindow;
  readonly #group: ParquetGroup;
  readonly #column: ParquetColumn;
  readonly #chunk: ParquetChunk;
  #dictionary: readonly ParquetValue[] | null = null;
  /** What is wrong with the dictionary page, and where it starts while nothing else has reported that. */
  #dictionaryFault: string | null = null;
  #dictionaryFrom: number | null = null;
  #dictionaryTo = 0;
  readonly #losses: Loss[] = [];
  /** First row of the page in hand, in the group. */
  #row = 0;
  /** Rows of it, and how many of them have been passed. */
  #rows = 0;
  #used = 0;
  /** Its cells; null where it could not be decoded. */
  #cells: readonly Cell[] | null = [];
  #stored = 0;

  constructor(
    file: TableFile,
    group: ParquetGroup,
    column: ParquetColumn,
    chunk: ParquetChunk,
    leads: boolean,
  ) {
    this.#window = new ByteWindow(file, chunk.from, chunk.to, leads);
    this.#group = group;
    this.#column = column;
    this.#chunk = chunk;
    this.byteFrom = chunk.from;
    this.byteTo = chunk.from;
  }

  /** Rows of the page in hand that have not been passed. */
  get left(): number {
    return this.#rows - this.#used;
  }

  /** Stretches that could not be read so far. */
  get damage(): readonly Damage[] {
    return this.#losses.map(({ byteFrom, byteTo, from, to, reason }) => ({
      byteFrom,
      byteTo,
      reason: `${from < to ? `rows ${from} to ${to - 1} of ` : ""}column \`${this.#column.name}\`: ${reason}; download it again`,
    }));
  }

  /** Whether the values of the column are read. */
  get #reads(): boolean {
    return this.#column.holds === null || this.#column.number !== null;
  }

  get damaged(): boolean {
    return this.#cells === null;
  }

  /** The next `rows` cells, at most as many as are left. */
  cells(rows: number): readonly Cell[] {
    const cells = this.#cells!;
    return rows === cells.length ? cells : cells.slice(this.#used, this.#used + rows);
  }

  skip(rows: number): void {
    this.#used += rows;
  }

  /** Stored bytes of the pages that were decoded since the last call. */
  takeStored(): number {
    const stored = this.#stored;
    this.#stored = 0;
    return stored;
  }

  /** Makes sure that there are rows left: decodes pages, or takes note that they cannot be. To be called while the group has rows left. */
  async fill(): Promise<void> {
    while (this.left === 0) {
      this.#row += this.#rows;
      this.#used = 0;
      this.#rows = 0;
      const from = this.#window.at;
      const rest = this.#group.rows - this.#row;
      let header: PageHeader;
      let body: Buffer;
      try {
        if (this.#window.left === 0) throw new Error("the column has no more pages");
        header = await this.#header();
        const { headerBytes, bodyBytes, rows, kind } = header;
        if (headerBytes + bodyBytes > this.#window.left)
          throw new Error(`a page of ${bodyBytes} bytes runs over the end of its column`);
        if (kind === "data" && rows > rest) throw new Error(`a page of ${rows} rows where ${rest} are left`);
        body = (await this.#window.peek(headerBytes + bodyBytes)).subarray(
          headerBytes,
          headerBytes + bodyBytes,
        );
      } catch (error) {
        // Without a header nobody knows where the next page starts.
        this.#window.skip(this.#window.left);
        this.#rows = rest;
        this.#lose(from, this.#window.at, rest, (error as Error).message);
        return;
      }
      this.#window.skip(header.headerBytes + header.bodyBytes);
      if (header.kind === "data") this.#take(header, body, from);
      else if (header.kind === "dictionary" && this.#reads) this.#takeDictionary(header, body, from);
      else this.#stored += this.#window.at - from;
    }
  }

  /** Called when all rows have been passed: what is left in the column is no page of it. */
  finish(): void {
    const { at, left } = this.#window;
    const dictionaryFrom = this.#dictionaryFrom;
    if (dictionaryFrom !== null) this.#lose(dictionaryFrom, this.#dictionaryTo, 0, this.#dictionaryFault!);
    if (left > 0) this.#lose(at, at + left, 0, `${left} bytes follow its last page`);
  }

  async #header(): Promise<PageHeader> {
    const short = (await this.#window.peek(HEADER_BYTES)).subarray(0, HEADER_BYTES);
    try {
      return decodePageHeader(short);
    } catch (error) {
      if (short.length >= this.#window.left) throw error;
      return decodePageHeader((await this.#window.peek(LONG_HEADER_BYTES)).subarray(0, LONG_HEADER_BYTES));
    }
  }

  #takeDictionary(header: PageHeader, body: Buffer, from: number): void {
    try {
      this.#dictionary = decodeDictionary(header, body, this.#chunk.codec, this.#column.number);
      this.#stored += this.#window.at - from;
    } catch (error) {
      this.#dictionaryFault = `its dictionary page is corrupt (${(error as Error).message})`;
      this.#dictionaryFrom = from;
      this.#dictionaryTo = this.#window.at;
    }
  }

  #take(header: PageHeader, body: Buffer, from: number): void {
    const { rows, encoding } = header;
    const to = this.#window.at;
    const fault = this.#reads && encoding.endsWith("_DICTIONARY") ? this.#dictionaryFault : null;
    this.#rows = rows;
    try {
      if (fault !== null) throw new Error(fault);
      this.#cells = decodeDataPage(header, body, this.#column, this.#chunk.codec, this.#dictionary);
    } catch (error) {
      this.#lose(fault === null ? from : (this.#dictionaryFrom ?? from), to, rows, (error as Error).message);
      if (fault !== null) this.#dictionaryFrom = null;
      return;
    }
    this.#stored += to - from;
    this.byteFrom = from;
    this.byteTo = to;
  }

  /** Stored bytes that cannot be read, and with them the next `rows` rows. */
  #lose(byteFrom: number, byteTo: number, rows: number, reason: string): void {
    this.#cells = null;
    const from = this.#group.line + this.#row;
    const to = from + rows;
    const before = this.#losses.at(-1);
    if (before && before.byteTo === byteFrom && before.to === from && before.reason === reason)
      this.#losses[this.#losses.length - 1] = { ...before, byteTo, to };
    else this.#losses.push({ byteFrom, byteTo, from, to, reason });
  }
}

/** A stretch of a column that could not be read: stored bytes, and rows of the file. */
interface Loss extends Damage {
  readonly from: number;
  readonly to: number;
}

function onlyDamage(damage: readonly Damage[]): TablePiece {
  return { rows: null, stored: 0, damage, columns: [] };
}
