import assert from "node:assert/strict";
import { test } from "node:test";
import { asCorpus, CORPUS, readTableBytes, tableBytes } from "./tables.ts";

/** Positions of the messages of a stream: a continuation mark at a multiple of 8, followed by a sensible length. */
function messagesOf(bytes: Buffer, start: number): readonly number[] {
  const found: number[] = [];
  for (let at = start; at + 8 <= bytes.length; at += 8)
    if (bytes.readUInt32LE(at) === 0xffffffff && bytes.readUInt32LE(at + 4) < 4096) found.push(at);
  return found;
}

test("a damaged message of a file costs its record batch, and its footer finds the next one", async () => {
  const bytes = Buffer.from(tableBytes("file.arrow"));
  const [, first, second] = messagesOf(bytes, 8);
  bytes.writeUInt32LE(0x7fffff00, first! + 4);
  const back = await readTableBytes(bytes, "arrow");
  assert.deepEqual(
    back.incidents.map(({ byteFrom, byteTo }) => [byteFrom, byteTo]),
    [[first, second]],
  );
  assert.match(back.incidents[0]!.reason, /corrupt length .*how many rows it held is unknown/);
  const texts = new Set(CORPUS.slice(20).map((row) => row.split(" ")[2]));
  assert.deepEqual(new Set(back.documents.map((document) => asCorpus(document).split(" ")[2])), texts);
});

test("a damaged message of a stream costs the rest of it", async () => {
  const bytes = Buffer.from(tableBytes("stream.arrow"));
  const [, , second] = messagesOf(bytes, 0);
  bytes.writeUInt32LE(0x7fffff00, second! + 4);
  const back = await readTableBytes(bytes, "arrow");
  assert.deepEqual(back.documents.map(asCorpus), CORPUS.slice(0, 20));
  assert.deepEqual([back.incidents[0]!.byteFrom, back.incidents[0]!.byteTo], [second, bytes.length]);
});

test("a cut file is read up to the cut", async () => {
  for (const name of ["file.arrow", "stream.arrow"]) {
    const bytes = tableBytes(name);
    const start = name === "file.arrow" ? 8 : 0;
    const [, , second] = messagesOf(bytes, start);
    const back = await readTableBytes(bytes.subarray(0, second! + 100), "arrow");
    assert.deepEqual(back.documents.map(asCorpus), CORPUS.slice(0, 20), name);
    assert.equal(back.incidents[0]!.byteFrom, second);
  }
});

test("a stream that lacks only its end mark is read whole, with an incident that it may be cut", async () => {
  const bytes = tableBytes("stream.arrow").subarray(0, -8);
  const back = await readTableBytes(bytes, "arrow");
  assert.deepEqual(back.documents.map(asCorpus), CORPUS);
  assert.deepEqual(
    back.incidents.map(({ byteFrom, byteTo, reason }) => [byteFrom, byteTo, reason]),
    [[bytes.length, bytes.length, "has no end mark, so it may be cut; download it again"]],
  );
});

test("an end mark before the end hides nothing", async () => {
  const stream = Buffer.from(tableBytes("stream.arrow"));
  const [, , second] = messagesOf(stream, 0);
  stream.writeUInt32LE(0, second! + 4);
  const back = await readTableBytes(stream, "arrow");
  assert.equal(back.documents.length, 20);
  assert.match(back.incidents[0]!.reason, /^\d+ bytes follow its end mark; download it again$/);
  const file = Buffer.from(tableBytes("file.arrow"));
  const [, , third] = messagesOf(file, 8);
  file.writeUInt32LE(0, third! + 4);
  assert.match(
    (await readTableBytes(file, "arrow")).incidents[0]!.reason,
    /^\d+ bytes between its end mark and its footer; download it again$/,
  );
});

test("what is no Arrow is one stretch that cannot be read", async () => {
  const bytes = Buffer.from("no arrow in here at all");
  const back = await readTableBytes(bytes, "arrow");
  assert.equal(back.unreadable, bytes.length);
  assert.match(back.incidents[0]!.reason, /^there is no message at byte 0 \(6e6f2061\)/);
  const empty = await readTableBytes(Buffer.alloc(0), "arrow");
  assert.match(empty.incidents[0]!.reason, /^is empty; /);
});
