/**
 * The encoder in WebAssembly (kernel/): the ids of encoder.ts and byte-level-encoder.ts, its checking twins, several times faster.
 * Text lies in the kernel's memory, which grows to the longest text so far and does not shrink. One instance serves one thread.
 */
import { HeadraceError } from "../../core/errors.ts";
import { webAssembly } from "../../core/web-assembly.ts";
import { KERNEL_BASE64 } from "./kernel-module.ts";
import { growTo, type Kernel, type KernelForm, placeTables } from "./kernel-tables.ts";
import { ensureCapacity, type TokenBuffer } from "./tokenizer.ts";

const utf8 = new TextEncoder();

/** Bytes behind a text that the kernel may read; bytes of text that there is room for from the start. */
const PADDING = 80;
const FIRST_ROOM = 65_536;

const SPACE = 0x20;

let compiled: object | null | undefined;

/** The compiled kernel, or null where the runtime has no WebAssembly (`node --jitless`) or none with vectors of 128 bits (processors before 2008). */
function kernelModule(): object | null {
  if (compiled !== undefined) return compiled;
  const bytes = Buffer.from(KERNEL_BASE64, "base64");
  compiled = webAssembly?.validate(bytes) ? new webAssembly.Module(bytes) : null;
  return compiled;
}

/** Whether the kernel runs here. */
export function hasKernel(): boolean {
  return kernelModule() !== null;
}

/** The encoder of one vocabulary. */
export class KernelEncoder {
  /** Lone surrogates met so far. */
  loneSurrogates = 0;
  readonly #kernel: Kernel;
  readonly #encode: (from: number, end: number, ids: number) => number;
  readonly #form: Pick<KernelForm, "cut" | "prefix">;
  /** Where text lies in the kernel's memory. */
  readonly #textAt: number;
  #memory: Uint8Array<ArrayBuffer> = new Uint8Array();
  #room: Uint8Array<ArrayBuffer> = new Uint8Array();
  #ids: Uint16Array | Int32Array;

  constructor(form: KernelForm, cacheEntries: number, tokenType: "uint16" | "int32") {
    const kernel = new webAssembly!.Instance(kernelModule()!).exports as Kernel;
    const { encode16, encode32, encodePieces16, encodePieces32 } = kernel;
    const entries = form.cut === "seams" ? [encode16, encode32] : [encodePieces16, encodePieces32];
    this.#kernel = kernel;
    this.#encode = entries[tokenType === "uint16" ? 0 : 1]!;
    this.#ids = tokenType === "uint16" ? new Uint16Array() : new Int32Array();
    this.#form = { cut: form.cut, prefix: form.prefix };
    this.#textAt = placeTables(kernel, form, cacheEntries) + 64;
    this.#makeRoom(FIRST_ROOM);
  }

  /** Bytes left out so far because the vocabulary lacks them. */
  get lostBytes(): number {
    return this.#kernel.lostBytes.value;
  }

  /** Writes the ids of a text to `buffer.ids` from `at` on and returns how many. Throws ERR_INPUT where the memory cannot grow as far as that takes. */
  encodeInto(text: string, buffer: TokenBuffer, at: number): number {
    if (!text.isWellFormed()) this.loneSurrogates += text.match(/\p{Surrogate}/gu)?.length ?? 0;
    if (3 * text.length > this.#room.length) this.room(Buffer.byteLength(text));
    return this.encodeBytes(0, utf8.encodeInto(text, this.#room).written, buffer, at);
  }

  /** The same as `encodeInto` for a text in UTF-8, which must be valid. */
  encodeUtf8Into(utf8: Uint8Array, buffer: TokenBuffer, at: number): number {
    this.room(utf8.length).set(utf8);
    return this.encodeBytes(0, utf8.length, buffer, at);
  }

  /** At least this many bytes of the kernel's memory, for UTF-8 that `encodeBytes` reads in place. Any later call may detach the view. */
  room(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes > this.#room.length) this.#makeRoom(bytes);
    return this.#room;
  }

  /** The same as `encodeInto` for the bytes [offset, offset + length) of the room, which must be valid UTF-8. Overwrites the byte in front of them. */
  encodeBytes(offset: number, length: number, buffer: TokenBuffer, at: number): number {
    if (length === 0) return 0;
    const end = this.#textAt + offset + length;
    const idsAt = this.#textAt + this.#room.length + PADDING;
    let from = this.#textAt + offset;
    const { cut, prefix } = this.#form;
    if (prefix === "always" || (prefix === "unless there" && this.#memory[from] !== SPACE))
      this.#memory[--from] = SPACE;
    if (cut === "pre-tokenizer") this.#kernel.startText();
    let out = at;
    while (from < end) {
      const count = this.#call(from, end, idsAt, length);
      const first = idsAt / this.#ids.BYTES_PER_ELEMENT;
      ensureCapacity(buffer, out + count).set(this.#ids.subarray(first, first + count), out);
      out += count;
      from = this.#kernel.stopped.value;
    }
    return out - at;
  }

  /** One call of the kernel, whose only trap is that the memory cannot grow. */
  #call(from: number, end: number, idsAt: number, length: number): number {
    const room = this.#room.length;
    try {
      return this.#encode(from, end, idsAt);
    } catch (cause) {
      throw new HeadraceError(
        "ERR_INPUT",
        `a text of ${length} bytes needs more of the tokenizer's memory than the ${this.#kernel.memory.buffer.byteLength} bytes there are, and it cannot grow; lower --max-document-bytes`,
        { cause },
      );
    } finally {
      if (this.#memory.length === 0) this.#refresh(room);
    }
  }

  /** Makes room for a text, and for more the next time, up to double. */
  #makeRoom(bytes: number): void {
    const room = 16 * Math.ceil(Math.max(bytes, Math.min(2 * this.#room.length, bytes + 2 ** 24)) / 16);
    growTo(this.#kernel.memory, this.#textAt + room + PADDING);
    this.#refresh(room);
  }

  /** Takes new views: growing the memory detaches the old ones, whose length is 0 then. */
  #refresh(room: number): void {
    const { buffer } = this.#kernel.memory;
    this.#memory = new Uint8Array(buffer);
    this.#room = new Uint8Array(buffer, this.#textAt, room);
    this.#ids = this.#ids instanceof Uint16Array ? new Uint16Array(buffer) : new Int32Array(buffer);
  }
}
