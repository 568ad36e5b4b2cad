/**
 * As much of WebAssembly as the kernel needs: Node has it, but its types lie with those of browsers.
 */

export interface Memory {
  readonly buffer: ArrayBuffer;
  /** Adds pages of 65,536 bytes; the old buffer is detached. */
  grow(pages: number): number;
}

export interface Global {
  value: number;
}

interface WebAssembly {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** WebAssembly where the runtime has it; `node --jitless` has not. */
export const webAssembly = (globalThis as { readonly WebAssembly?: WebAssembly }).WebAssembly;
