import assert from "node:assert/strict";
import { test } from "node:test";
import { parquetMetadata } from "hyparquet";
import { decodePageHeader } from "../../pipeline/parquet-page.ts";
import { asCorpus, CORPUS, readTableBytes, tableBytes } from "./tables.ts";

/** Where the pages of a column of a row group lie. */
function chunkOf(bytes: Buffer, group: number, column: number) {
  const { meta_data: data } = parquetMetadata(bytes).row_groups[group]!.columns[column]!;
  const dictionary = Number(data!.dictionary_page_offset ?? 0);
  const from = dictionary || Number(data!.data_page_offset);
  return { from, data: Number(data!.data_page_offset), to: from + Number(data!.total_compressed_size) };
}

function damaged(name: string, at: number, ...values: readonly number[]): Buffer {
  const bytes = Buffer.from(tableBytes(name));
  bytes.set(values, at);
  return bytes;
}

const lines = (documents: readonly { readonly line: number }[]) => documents.map(({ line }) => line);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("a damaged page costs its own rows and no others, and its bytes and rows are named", async () => {
  const name = "checksums.parquet";
  const { to } = chunkOf(tableBytes(name), 0, 0);
  const back = await readTableBytes(damaged(name, to - 2, 0xff), "parquet");
  const [incident, ...more] = back.incidents;
  assert.deepEqual(more, []);
  assert.equal(incident!.byteTo, to);
  assert.match(
    incident!.reason,
    /^rows 17 to 20 of column `text`: its check sum is wrong; download it again$/,
  );
  assert.deepEqual(lines(back.documents), [...range(1, 17), ...range(21, CORPUS.length + 1)]);
  assert.equal(back.unreadable, incident!.byteTo - incident!.byteFrom);
});

test("a damaged dictionary costs the pages that need it, and the plain ones after them are read", async () => {
  const name = "fallback.parquet";
  const { from, data } = chunkOf(tableBytes(name), 0, 0);
  const { kind, headerBytes, rows } = decodePageHeader(tableBytes(name).subarray(from, data));
  assert.ok(kind === "dictionary" && rows > 1);
  // The length that the compressed page states is another than its header's.
  const back = await readTableBytes(damaged(name, from + headerBytes, 0x05), "parquet");
  assert.equal(back.incidents.length, 1);
  assert.equal(back.incidents[0]!.byteFrom, from);
  const last =
    /^rows 1 to (\d+) of column `text`: its dictionary page is corrupt \(snappy: .*\); download it again$/;
  const lost = Number(last.exec(back.incidents[0]!.reason)?.[1]);
  assert.ok(lost >= 8 && lost < CORPUS.length, `${lost} rows lost`);
  assert.deepEqual(back.documents.map(asCorpus), CORPUS.slice(lost));
});

test("a row group whose first page header is damaged is lost, and the next one is read with its row numbers", async () => {
  const name = "snappy-v1-plain.parquet";
  const { from, to } = chunkOf(tableBytes(name), 0, 0);
  const back = await readTableBytes(damaged(name, from, 0xff, 0xff, 0xff), "parquet");
  assert.deepEqual(
    back.incidents.map(({ byteFrom, byteTo }) => [byteFrom, byteTo]),
    [[from, to]],
  );
  assert.match(back.incidents[0]!.reason, /^rows 1 to 20 of column `text`: /);
  assert.deepEqual(back.documents.map(asCorpus), CORPUS.slice(20));
});

test("a damaged page of the domain's column costs its rows, and a fixed domain makes it needless", async () => {
  const name = "snappy-v1-plain.parquet";
  const { from, to } = chunkOf(tableBytes(name), 1, 1);
  const bytes = damaged(name, from, 0xff, 0xff, 0xff);
  const back = await readTableBytes(bytes, "parquet");
  assert.deepEqual(back.documents.map(asCorpus), CORPUS.slice(0, 20));
  assert.deepEqual([back.incidents[0]!.byteFrom, back.incidents[0]!.byteTo], [from, to]);
  const fixed = await readTableBytes(bytes, "parquet", { domain: "c4" });
  assert.deepEqual([fixed.documents.length, fixed.incidents.length], [CORPUS.length, 0]);
});

test("what is in columns that are not needed is not looked at", async () => {
  const name = "snappy-v1-plain.parquet";
  const { from, to } = chunkOf(tableBytes(name), 0, 2);
  const bytes = Buffer.from(tableBytes(name)).fill(0xff, from, to);
  const back = await readTableBytes(bytes, "parquet");
  assert.deepEqual(back.documents.map(asCorpus), CORPUS);
  assert.deepEqual(back.incidents, []);
});

test("a file without its end, or that is something else, is one incident; one without its start is read", async () => {
  const bytes = tableBytes("snappy-v1-plain.parquet");
  const whole = async (input: Buffer, reason: RegExp) => {
    const { documents, incidents } = await readTableBytes(input, "parquet");
    assert.deepEqual(documents, []);
    assert.deepEqual(
      incidents.map(({ byteFrom, byteTo }) => [byteFrom, byteTo]),
      [[0, input.length]],
    );
    assert.match(incidents[0]!.reason, reason);
  };
  await whole(bytes.subarray(0, -1), /^does not end with PAR1, so it is cut; download it again$/);
  await whole(bytes.subarray(0, 10), /^has 10 bytes, fewer than any parquet file$/);
  await whole(Buffer.alloc(0), /^has 0 bytes, fewer than any parquet file$/);
  await whole(Buffer.alloc(1000, 65), /^does not end with PAR1/);
  await whole(
    damaged("snappy-v1-plain.parquet", bytes.length - 5, 0x7f),
    /^has a footer of \d+ bytes, more than the file; download it again$/,
  );
  await whole(
    Buffer.concat([bytes.subarray(0, -4), Buffer.from("PARE")]),
    /^is encrypted; decrypt it first$/,
  );
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  await whole(
    damaged("snappy-v1-plain.parquet", footer, 0xff, 0xff, 0xff, 0xff),
    /^has a corrupt footer \(.*\); download it again$/,
  );
  const headless = await readTableBytes(
    damaged("snappy-v1-plain.parquet", 0, 0x50, 0x41, 0x52, 0x32),
    "parquet",
  );
  assert.deepEqual(headless.documents.map(asCorpus), CORPUS);
  assert.deepEqual(
    headless.incidents.map(({ byteFrom, byteTo, reason }) => [byteFrom, byteTo, reason]),
    [[0, 4, "does not start with PAR1; download it again"]],
  );
});
