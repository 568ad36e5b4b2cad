/**
 * Fields of a line of JSON without building the rest of it: the whole line is checked, members are found where they lie, and a text is
 * spelled out as UTF-8, all in WebAssembly (json-kernel/scan.ts). What it does not judge is left to JSON.parse (records.ts).
 * One for each thread: a scan is over before the next begins. Its memory grows to the longest line so far, at most about 13 MiB.
 */
import { isUtf8 } from "node:buffer";
import { type Memory, webAssembly } from "../core/web-assembly.ts";
import type { FieldPath } from "./cells.ts";
import { JSON_KERNEL_BASE64 } from "./json-kernel-module.ts";

/** Where the value of a field lies (a number from 0), or one of these: no such field; not judged here. */
export type Place = number;
export const ABSENT: Place = -1;
export const UNJUDGED: Place = -2;

/** A path whose keys are bytes. */
export interface BytePath {
  readonly name: Uint8Array;
  readonly keys: readonly Uint8Array[];
}

interface Exports {
  readonly memory: Memory;
  base(): number;
  line(from: number, end: number, list: number, most: number, out: number): number;
  members(from: number, list: number, most: number, out: number): number;
}

/** Longer lines are not judged. */
const MOST_LINE = 4 * 1024 * 1024;
/** Members of an object; with more it is not judged. */
const MOST_MEMBERS = 512;
/** Words of a member in the list: key from and to, value from and to, flags, and from and to of what a string spells. */
const MEMBER = 7;
const KEY_ESCAPED = 1;
const LONE_SURROGATE = 2;
/** Bytes behind a line and behind what strings spell that the kernel may write. */
const PADDING = 64;
const FIRST_ROOM = 65_536;

const OBJECT = 0x7b;
const LIST = 0x5b;

let opened: JsonScanner | null | undefined;

/** The scanner of this thread; null where the runtime has no WebAssembly with vectors. */
export function jsonScanner(): JsonScanner | null {
  opened ??= open();
  return opened;
}

function open(): JsonScanner | null {
  if (webAssembly === undefined) return null;
  try {
    const module = new webAssembly.Module(Buffer.from(JSON_KERNEL_BASE64, "base64"));
    return new JsonScanner(new webAssembly.Instance(module).exports as Exports);
  } catch {
    return null;
  }
}

/** A field path as the scanner compares it. */
export function bytePath({ name, keys }: FieldPath): BytePath {
  return { name: Buffer.from(name), keys: keys.map((key) => Buffer.from(key)) };
}

/** Scans one line at a time; what it found is good until the next. */
export class JsonScanner {
  readonly #kernel: Exports;
  readonly #inner: number;
  readonly #lineAt: number;
  #room = 0;
  #outAt = 0;
  #innerOutAt = 0;
  #bytes = new Uint8Array();
  #words = new Uint32Array();
  #members = 0;

  constructor(kernel: Exports) {
    this.#kernel = kernel;
    this.#inner = kernel.base() + 4 * MEMBER * MOST_MEMBERS;
    this.#lineAt = 64 * Math.ceil((this.#inner + 4 * MEMBER * MOST_MEMBERS) / 64);
    this.#makeRoom(FIRST_ROOM);
  }

  /** Takes a line and returns whether it is an object of JSON in UTF-8; false also for what is not judged here. */
  scan(line: Uint8Array): boolean {
    if (line.length > MOST_LINE || !isUtf8(line)) return false;
    if (line.length > this.#room && !this.#makeRoom(line.length)) return false;
    this.#bytes.set(line, this.#lineAt);
    const list = this.#kernel.base();
    const end = this.#lineAt + line.length;
    this.#members = this.#kernel.line(this.#lineAt, end, list, MOST_MEMBERS, this.#outAt);
    return this.#members >= 0;
  }

  /** What the line's own fields hold at a path: the field of that whole name, else one inside another. Of a key that occurs twice the last counts. */
  find({ name, keys }: BytePath): Place {
    const outer = this.#kernel.base() / 4;
    let place = this.#last(outer, this.#members, name);
    if (place !== ABSENT || keys.length === 1) return place;
    place = this.#last(outer, this.#members, keys[0]!);
    for (let k = 1; k < keys.length && place >= 0; k++) {
      const at = this.#words[place + 2]!;
      if (this.#bytes[at] === LIST) return UNJUDGED;
      if (this.#bytes[at] !== OBJECT) return ABSENT;
      const count = this.#kernel.members(at, this.#inner, MOST_MEMBERS, this.#innerOutAt);
      if (count < 0) return UNJUDGED;
      place = this.#last(this.#inner / 4, count, keys[k]!);
    }
    return place;
  }

  /** The string at a place as UTF-8, a view that is good until the next `find` or `scan`; null where there is none, it is empty, or a surrogate stands alone in it. */
  text(place: Place): Uint8Array | null {
    const words = this.#words;
    if ((words[place + 4]! & LONE_SURROGATE) !== 0) return null;
    const from = words[place + 5]!;
    const length = words[place + 6]! - from;
    return length === 0 ? null : this.#bytes.subarray(from, from + length);
  }

  /** The value at a place, of any kind. */
  value(place: Place): unknown {
    const [from, to] = [this.#words[place + 2]!, this.#words[place + 3]!];
    return JSON.parse(Buffer.from(this.#bytes.buffer, from, to - from).toString());
  }

  /** The last of `count` members that has the key. */
  #last(list: number, count: number, key: Uint8Array): Place {
    const words = this.#words;
    for (let at = list + MEMBER * (count - 1); at >= list; at -= MEMBER) {
      if ((words[at + 4]! & KEY_ESCAPED) !== 0) return UNJUDGED;
      const from = words[at]! + 1;
      if (words[at + 1]! - 1 - from === key.length && this.#same(from, key)) return at;
    }
    return ABSENT;
  }

  #same(from: number, key: Uint8Array): boolean {
    for (let i = 0; i < key.length; i++) if (this.#bytes[from + i] !== key[i]) return false;
    return true;
  }

  /** Makes room for a line and for what a string in it spells; false where the memory cannot grow. */
  #makeRoom(bytes: number): boolean {
    const { memory } = this.#kernel;
    const room = 64 * Math.ceil(Math.min(MOST_LINE, 2 * bytes) / 64);
    const outAt = this.#lineAt + room + PADDING;
    const innerOutAt = outAt + room + PADDING;
    const missing = Math.ceil((innerOutAt + room + PADDING - memory.buffer.byteLength) / 65_536);
    try {
      if (missing > 0) memory.grow(missing);
    } catch {
      return false;
    }
    this.#room = room;
    this.#outAt = outAt;
    this.#innerOutAt = innerOutAt;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    return true;
  }
}
