/**
 * Laws of damaged tables: whatever byte is flipped and wherever a file is cut, the bytes add up, and rows never go missing without an incident.
 * A flip inside a text may pass unseen, as in JSON lines: it alters a document, and only a page with a check sum shows it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mix32 } from "../../core/random.ts";
import { asCorpus, CORPUS, CORPUS_FILES, formatOf, readTableBytes, tableBytes } from "../pipeline/tables.ts";

/** Places a file, spread by a hash. */
const FLIPS = 60;
const CUTS = 12;

for (const name of CORPUS_FILES)
  test(`${name}, flipped and cut anywhere, loses no row in silence`, async () => {
    const bytes = tableBytes(name);
    for (let i = 0; i < FLIPS; i++) {
      const at = mix32(i * 31 + name.length) % bytes.length;
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (i % 8);
      const back = await readTableBytes(damaged, formatOf(name));
      const rows = back.documents.length + back.quarantined.length;
      assert.ok(
        back.incidents.length > 0 || rows === CORPUS.length,
        `bit ${i % 8} of byte ${at}: ${rows} of ${CORPUS.length} rows and no incident`,
      );
    }
    for (let i = 0; i < CUTS; i++) {
      const to = mix32(i * 17 + name.length) % bytes.length;
      const back = await readTableBytes(bytes.subarray(0, to), formatOf(name));
      assert.ok(back.incidents.length > 0, `cut at byte ${to}`);
      const seen = new Set(CORPUS);
      assert.ok(back.documents.every((document) => seen.has(asCorpus(document))));
    }
  });

test("a flip anywhere in the pages of a file with check sums is found, and costs no more than a page of rows", async () => {
  const name = "checksums.parquet";
  const bytes = tableBytes(name);
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  const intact = new Set(CORPUS);
  let found = 0;
  for (let at = 4; at < footer; at += 23) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 0x10;
    const { documents, incidents } = await readTableBytes(damaged, "parquet");
    assert.ok(
      documents.every((document) => intact.has(asCorpus(document))),
      `byte ${at} altered a document`,
    );
    if (incidents.length > 0) {
      found++;
      assert.match(incidents[0]!.reason, /^rows \d+ to \d+ of column `[a-z_.]+`: |^column /);
      assert.ok(
        incidents[0]!.byteFrom <= at && at < incidents[0]!.byteTo,
        `byte ${at} is not in the incident`,
      );
      assert.ok(documents.length >= CORPUS.length - 20, `byte ${at} cost more than its row group`);
    } else assert.equal(documents.length, CORPUS.length);
  }
  assert.ok(found > 60, `${found} flips were found`);
});
