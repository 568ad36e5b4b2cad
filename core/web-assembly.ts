/**
 * As much of WebAssembly as our kernels need: Node has it, but its types lie with those of browsers.
 */

export interface Memory {
  readonly buffer: ArrayBuffer;
  /** Adds pages of 65,536 bytes; the old buffer is detached. */
  grow(pages: number): number;
}

export interface Global {
  value: number;
}

/** Functions by module and name. */
export type Imports = Readonly<Record<string, Readonly<Record<string, (...args: number[]) => number>>>>;

interface WebAssembly {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports?: Imports) => { readonly exports: unknown };
}

/** WebAssembly where the runtime has it; `node --jitless` has not. */
export const webAssembly = (globalThis as { readonly WebAssembly?: WebAssembly }).WebAssembly;
