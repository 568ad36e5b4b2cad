/**
 * A look at the input before a build: the documents that its calibration would sample, scored, with how much of which file they are.
 * Reads on one thread and writes nothing.
 */
import type { DomainName } from "../core/domain.ts";
import type { CalibrationSample } from "../filters/index.ts";
import { arrowRows } from "./arrow-message.ts";
import type { SourceChunk } from "./batch.ts";
import type { Curator } from "./curator.ts";
import type { InputFile } from "./inputs.ts";
import { readScored } from "./own-scores.ts";
import { readParquetFooter } from "./parquet-footer.ts";
import { collectSample, type SampledDocument } from "./sample.ts";
import { isTable, type TableFormat } from "./sniff.ts";
import type { SourceOptions } from "./source.ts";
import { TableFile } from "./table-file.ts";

/** What was looked at of one file. */
export interface SurveyedFile {
  readonly file: InputFile;
  /** Documents of the sample that are its own. */
  readonly documents: number;
  /** Its stored bytes that they and what lay between them took; all of them where it was read to its end. */
  readonly sampled: number;
  /** Domains of its quarantined records; undefined where it is unknown. */
  readonly quarantined: readonly (DomainName | undefined)[];
  readonly incidents: number;
  /** Time it took one thread to read, tokenize and score that. */
  readonly seconds: number;
}

/** A sample of documents and the files they are of: those of the first file first. */
export interface Survey {
  readonly sample: CalibrationSample;
  readonly files: readonly SurveyedFile[];
}

/** Samples about `documents` documents, the same ones as `sampleScores`. Throws ERR_CALIBRATION where there is none. */
export async function surveyFiles(request: {
  readonly files: readonly InputFile[];
  readonly source: SourceOptions;
  readonly curator: Curator;
  readonly documents: number;
  readonly onProgress?: (documents: number, ofDocuments: number) => void;
}): Promise<Survey> {
  const { curator, source } = request;
  const looked: Look[] = [];

  async function* read(file: InputFile): AsyncGenerator<Iterable<SampledDocument>> {
    const look = new Look(file);
    looked.push(look);
    for await (const chunk of readScored(file, source, curator)) {
      let taken = 0;
      const judgeEach = function* (): Generator<SampledDocument> {
        for (const document of chunk.documents) {
          const { count, scores } = curator.judge(document);
          yield { domain: document.domain, tokens: count, scores };
          // Reached only where the consumer took it and asks for the next.
          taken++;
        }
      };
      try {
        yield judgeEach();
      } finally {
        look.add(chunk, taken);
      }
    }
  }
  const sample = await collectSample({
    ...request,
    filters: curator.filters.map(({ name }) => name),
    read,
  });
  return { sample, files: await Promise.all(looked.map((look) => look.result())) };
}

/** Adds up what was looked at of a file. */
class Look {
  readonly #file: InputFile;
  readonly #started = performance.now();
  readonly #quarantined: (DomainName | undefined)[] = [];
  #documents = 0;
  #incidents = 0;
  #sampled = 0;
  /** Stored bytes of a record that is not complete yet. */
  #pending = 0;
  #nextLine = 1;
  #ended = this.#started;

  constructor(file: InputFile) {
    this.#file = file;
  }

  /** Adds a chunk of which the first `taken` documents were taken; of its bytes and bad records as large a share as of its text. */
  add(chunk: SourceChunk, taken: number): void {
    const { documents, quarantined, incidents, bytesRead, bytesUnreadable, pending } = chunk;
    const share = taken === documents.length ? 1 : lengthOf(chunk, taken) / lengthOf(chunk, documents.length);
    this.#documents += taken;
    if (chunk.account && share === 1) this.#sampled = this.#file.bytes;
    else if (pending === 1) this.#pending += bytesRead + bytesUnreadable;
    else {
      this.#sampled += share * (this.#pending + (1 - pending) * bytesRead + bytesUnreadable);
      this.#pending = pending * bytesRead;
    }
    this.#quarantined.push(...quarantined.slice(0, share * quarantined.length).map(({ domain }) => domain));
    this.#incidents += Math.floor(share * incidents.length);
    this.#nextLine = share === 1 ? chunk.nextLine : (documents[taken]?.line ?? chunk.nextLine);
    this.#ended = performance.now();
  }

  async result(): Promise<SurveyedFile> {
    return {
      file: this.#file,
      documents: this.#documents,
      sampled: await this.#sampledBytes(),
      quarantined: this.#quarantined,
      incidents: this.#incidents,
      seconds: (this.#ended - this.#started) / 1000,
    };
  }

  /** A table goes by rows: of a row group or record batch that is read in part too many or too few bytes are counted yet. */
  async #sampledBytes(): Promise<number> {
    const { bytes, format } = this.#file;
    const sampled = Math.min(bytes, this.#sampled);
    if (!isTable(format) || sampled === bytes) return sampled;
    const rows = await tableRows(this.#file, format);
    return rows === 0 ? sampled : Math.min(bytes, ((this.#nextLine - 1) / rows) * bytes);
  }
}

/** Rows of a table by what it says of itself; 0 where that cannot be read. */
async function tableRows({ path, bytes }: InputFile, format: TableFormat): Promise<number> {
  const stored = await TableFile.open(path, bytes);
  if (typeof stored === "string") return 0;
  try {
    switch (format) {
      case "parquet":
        return (await readParquetFooter(stored)).groups.reduce((sum, { rows }) => sum + rows, 0);
      case "arrow":
        return await arrowRows(stored);
      default:
        return format satisfies never;
    }
  } catch {
    return 0;
  } finally {
    await stored.close();
  }
}

function lengthOf({ documents }: SourceChunk, count: number): number {
  let length = 0;
  for (let i = 0; i < count; i++) length += documents[i]!.text.length;
  return length;
}
