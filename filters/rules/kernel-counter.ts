/**
 * The rules' counts by the kernel (kernel/), several times as fast as plain TypeScript and the same numbers. The text lies in the kernel's memory, which grows to
 * the longest so far and does not shrink: at most 150 MB, of which ordinary text touches a fifth. One instance serves one thread.
 */
import type { Document } from "../../core/document.ts";
import { type Memory, webAssembly } from "../../core/web-assembly.ts";
import { ABBREVIATIONS } from "./abbreviations.ts";
import { matchAddress } from "./addresses.ts";
import type {
  LineCounts,
  PieceCounts,
  SentenceCounts,
  TextCounts,
  WordCounts,
  WrittenLineCounts,
} from "./counts.ts";
import * as at from "./kernel/results.ts";
import { RULES_KERNEL_BASE64 } from "./kernel-module.ts";
import { ASCII, kindBySight } from "./kinds.ts";
import { PHRASES } from "./sentences.ts";
import { STOP_WORDS } from "./word-counts.ts";
import { isUpperSign, MEASURES } from "./words.ts";
import { isTerminalSign } from "./written-lines.ts";

interface Place {
  readonly value: number;
}

interface Kernel {
  readonly memory: Memory;
  readonly text: Place;
  readonly results: Place;
  readonly ascii: Place;
  readonly abbreviations: Place;
  readonly measures: Place;
  readonly stopWords: Place;
  readonly phrases: Place;
  makeRoom(room: number): number;
  read(count: number): void;
  readWords(): void;
  readLines(): void;
  readPieces(): void;
  readGrams(): void;
  readSentences(): void;
  readWrittenLines(): void;
}

const utf8Encoder = new TextEncoder();

/** Bytes of text that there is room for from the start, and the most that the kernel takes. */
const FIRST_ROOM = 65_536;
const MOST_ROOM = 2 ** 21;
/** Bytes of a phrase in the kernel's list (kernel/memory.ts). */
const PHRASE = 32;

let compiled: object | null | undefined;

/** The compiled kernel; null where the runtime has no WebAssembly, or none with vectors. */
function kernelModule(): object | null {
  if (compiled !== undefined) return compiled;
  const bytes = Buffer.from(RULES_KERNEL_BASE64, "base64");
  compiled = webAssembly?.validate(bytes) ? new webAssembly.Module(bytes) : null;
  return compiled;
}

/** A counter of this thread; null where the kernel does not run. */
export function kernelCounter(): KernelCounter | null {
  return kernelModule() === null ? null : new KernelCounter();
}

/** Counts one text at a time. */
export class KernelCounter {
  readonly #kernel: Kernel;
  #room = new Uint8Array();
  #bytes = Buffer.alloc(0);
  #results = new Int32Array();

  constructor() {
    const host = {
      kindOf: kindBySight,
      isUpper: (code: number) => Number(isUpperSign(code)),
      isTerminal: (code: number) => Number(isTerminalSign(code)),
      addressEnd: (start: number, end: number) => matchAddress(this.#bytes, start, end),
    };
    this.#kernel = new webAssembly!.Instance(kernelModule()!, { host }).exports as Kernel;
    this.#makeRoom(FIRST_ROOM);
    const { ascii, abbreviations, measures, stopWords, phrases } = this.#kernel;
    this.#bytes.set(ASCII, ascii.value);
    this.#placeWords(ABBREVIATIONS, abbreviations.value);
    this.#placeWords(MEASURES, measures.value);
    this.#placeWords(STOP_WORDS, stopWords.value);
    for (const [i, { codes, offset }] of PHRASES.entries())
      this.#bytes.set([codes.length, offset, ...codes], phrases.value + i * PHRASE);
  }

  /** The counts of a text; null where it is too long for the kernel, or where memory cannot grow as far as it takes. */
  count(document: Pick<Document, "text" | "utf8">): TextCounts | null {
    const bytes = this.#put(document);
    if (bytes < 0) return null;
    this.#kernel.read(bytes);
    return new KernelCounts(this.#kernel, this.#results);
  }

  /** Puts a text where the kernel reads it and returns its bytes, or -1 where there is no room. */
  #put(document: Pick<Document, "text" | "utf8">): number {
    const { utf8 } = document;
    if (utf8 !== undefined) {
      if (!this.#fits(utf8.length)) return -1;
      this.#room.set(utf8);
      return utf8.length;
    }
    const { text } = document;
    if (3 * text.length > this.#room.length && !this.#fits(Buffer.byteLength(text))) return -1;
    return utf8Encoder.encodeInto(text, this.#room).written;
  }

  /** Makes room for so many bytes, or says that it cannot. */
  #fits(bytes: number): boolean {
    return bytes <= this.#room.length || this.#makeRoom(bytes);
  }

  #makeRoom(bytes: number): boolean {
    const room = 2 ** Math.ceil(Math.log2(bytes));
    if (room > MOST_ROOM || this.#kernel.makeRoom(room) === 0) return false;
    const { memory, text, results } = this.#kernel;
    this.#bytes = Buffer.from(memory.buffer);
    this.#room = new Uint8Array(memory.buffer, text.value, room);
    this.#results = new Int32Array(memory.buffer, results.value, at.RESULTS);
    return true;
  }

  /** A list of short words: the bytes of each, and how many in the eighth; ended by 0. */
  #placeWords(words: readonly string[], place: number): void {
    for (const [i, word] of words.entries()) {
      const size = this.#bytes.write(word, place + 8 * i);
      this.#bytes[place + 8 * i + 7] = size;
    }
  }
}

/** The counts of the text that the kernel read last. */
class KernelCounts implements TextCounts {
  readonly characters: number;
  readonly hashes: number;
  readonly ellipses: number;
  readonly #kernel: Kernel;
  readonly #results: Int32Array;
  #words?: WordCounts;
  #lines?: LineCounts;
  #pieces?: PieceCounts;
  #grams?: ArrayLike<number>;
  #sentences?: SentenceCounts;
  #writtenLines?: WrittenLineCounts;

  constructor(kernel: Kernel, results: Int32Array) {
    this.#kernel = kernel;
    this.#results = results;
    this.characters = results[at.CHARACTERS]!;
    this.hashes = results[at.HASHES]!;
    this.ellipses = results[at.ELLIPSES]!;
  }

  get words(): WordCounts {
    if (this.#words === undefined) {
      this.#kernel.readWords();
      this.#words = {
        count: this.#results[at.WORDS]!,
        solid: this.#results[at.SOLID]!,
        characters: this.#results[at.SOLID_CHARACTERS]!,
        withLetters: this.#results[at.WITH_LETTERS]!,
        stopWords: this.#results[at.STOP_WORDS]!,
      };
    }
    return this.#words;
  }

  get lines(): LineCounts {
    if (this.#lines === undefined) {
      this.#kernel.readLines();
      this.#lines = {
        count: this.#results[at.LINES]!,
        bullets: this.#results[at.BULLETS]!,
        ellipses: this.#results[at.ELLIPSIS_LINES]!,
      };
    }
    return this.#lines;
  }

  get pieces(): PieceCounts {
    if (this.#pieces === undefined) {
      this.#kernel.readPieces();
      this.#pieces = {
        lineCount: this.#results[at.PIECES]!,
        lines: {
          parts: this.#results[at.REPEATED_PIECES]!,
          characters: this.#results[at.REPEATED_PIECE_CHARACTERS]!,
        },
        paragraphCount: this.#results[at.PARAGRAPHS]!,
        paragraphs: {
          parts: this.#results[at.REPEATED_PARAGRAPHS]!,
          characters: this.#results[at.REPEATED_PARAGRAPH_CHARACTERS]!,
        },
      };
    }
    return this.#pieces;
  }

  get grams(): ArrayLike<number> {
    if (this.#grams === undefined) {
      // N-grams are made of the words' numbers.
      if (this.#words === undefined) void this.words;
      this.#kernel.readGrams();
      this.#grams = this.#results.slice(at.GRAMS, at.GRAMS + at.MOST_GRAM + 1);
    }
    return this.#grams;
  }

  get sentences(): SentenceCounts {
    if (this.#sentences === undefined) {
      this.#kernel.readSentences();
      this.#sentences = {
        placeholders: this.#results[at.PLACEHOLDERS]!,
        brackets: this.#results[at.BRACKETS]!,
        count: this.#results[at.SENTENCES]!,
      };
    }
    return this.#sentences;
  }

  get writtenLines(): WrittenLineCounts {
    if (this.#writtenLines === undefined) {
      this.#kernel.readWrittenLines();
      this.#writtenLines = {
        count: this.#results[at.WRITTEN_LINES]!,
        terminated: this.#results[at.TERMINATED]!,
        short: this.#results[at.SHORT]!,
        repeatedCharacters: this.#results[at.REPEATED_CHARACTERS]!,
        newlines: this.#results[at.NEWLINES]!,
      };
    }
    return this.#writtenLines;
  }
}
