/**
 * Reads a model in ARPA form, as SRILM, KenLM's lmplz and others write it, plain or gzipped: header with counts, a section an order, `\end\`.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { HeadraceError, messageOf } from "../../../core/errors.ts";
import { NgramModel } from "./model.ts";

/** Orders that are read. */
const MOST_ORDER = 16;

/** Reads a model. Linear. Throws ERR_INPUT where the file cannot be read, ERR_FILTER with the line where it is no such model, or cut. */
export async function readArpa(path: string): Promise<NgramModel> {
  const reader = new ArpaReader(path);
  try {
    const stream = createReadStream(path);
    const take = async (text: AsyncIterable<Buffer>) => reader.read(text);
    if (path.endsWith(".gz")) await pipeline(stream, createGunzip(), take);
    else await pipeline(stream, take);
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    throw new HeadraceError("ERR_INPUT", `${path} cannot be read (${messageOf(cause)}); check the path`, {
      cause,
    });
  }
  return reader.model();
}

/** Takes lines one after another. */
class ArpaReader {
  readonly #path: string;
  readonly #counts: number[] = [];
  #model: NgramModel | null = null;
  /** `before`: what stands before `\data\`; `data`: the counts; an order: its n-grams; `end`. */
  #section: "before" | "data" | "end" | number = "before";
  #line = 0;
  #seen = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async read(pieces: AsyncIterable<Buffer>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const piece of pieces) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
      rest = lines.pop()!;
      if (this.#section === "before" && this.#line === 0 && rest.length > 1 << 20) break;
      for (const line of lines) this.#take(line.endsWith("\r") ? line.slice(0, -1) : line);
    }
    if (rest !== "") this.#take(rest);
  }

  model(): NgramModel {
    if (this.#section === "before")
      this.#refuse(
        "holds no \\data\\: it is no model in ARPA form; a binary of KenLM is not read, give the text it was made from",
      );
    if (this.#section !== "end" || this.#model === null)
      this.#refuse("ends before \\end\\: it is cut; copy it again");
    this.#model.finish();
    return this.#model;
  }

  #take(line: string): void {
    this.#line++;
    if (this.#section === "end" || line === "") return;
    if (line.startsWith("\\")) this.#begin(line);
    else if (this.#section === "data") this.#counted(line);
    else if (typeof this.#section === "number") this.#ngram(line, this.#section);
  }

  #begin(line: string): void {
    if (typeof this.#section === "number" && this.#seen !== this.#counts[this.#section - 1])
      this.#refuse(
        `has ${this.#seen} ${this.#section}-grams and says ${this.#counts[this.#section - 1]}: it is cut or damaged; copy it again`,
      );
    const next = this.#section === "data" ? 1 : typeof this.#section === "number" ? this.#section + 1 : 0;
    if (this.#section === "before" && line === "\\data\\") this.#section = "data";
    else if (next >= 1 && next <= this.#counts.length && line === `\\${next}-grams:`) {
      this.#model ??= new NgramModel(this.#counts.length);
      this.#section = next;
      this.#seen = 0;
    } else if (next === this.#counts.length + 1 && line === "\\end\\") this.#section = "end";
    else if (this.#section !== "before")
      this.#refuse(`has ${shown(line)} at line ${this.#line}, out of its order`);
  }

  #counted(line: string): void {
    const match = /^ngram\s+(\d+)\s*=\s*(\d+)\s*$/.exec(line);
    if (!match || Number(match[1]) !== this.#counts.length + 1 || this.#counts.length === MOST_ORDER)
      this.#refuse(
        `has ${shown(line)} at line ${this.#line}; expected ngram ${this.#counts.length + 1}=COUNT, up to ${MOST_ORDER}`,
      );
    this.#counts.push(Number(match[2]));
  }

  #ngram(line: string, order: number): void {
    const fields = line.trim().split(/[ \t]+/);
    const [log10, backoff] = [Number(fields[0]), fields.length === order + 2 ? Number(fields[order + 1]) : 0];
    if (fields.length < order + 1 || fields.length > order + 2 || !(log10 <= 0) || !Number.isFinite(backoff))
      this.#refuse(
        `has ${shown(line)} at line ${this.#line}; expected log10 of a probability, ${order} words and perhaps a weight`,
      );
    this.#seen++;
    if (!this.#model!.add(fields.slice(1, order + 1), log10, backoff))
      this.#refuse(`has the ${order}-gram of line ${this.#line} twice`);
  }

  #refuse(what: string): never {
    throw new HeadraceError("ERR_FILTER", `${this.#path} ${what}`);
  }
}

function shown(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}...` : line);
}
