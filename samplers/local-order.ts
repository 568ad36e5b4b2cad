/**
 * Local order (docs/format.md 3.2): the rows of an epoch lie in blocks, blocks come in a keyed order, and a window of them at a time has its rows permuted.
 * So few files and a bounded stretch of each are in use at a time, for disks and object stores; how far a row can move is what is given up.
 */
import type { Key } from "../core/random.ts";
import { type Permutation, permutation } from "./permutation.ts";

/** A window of a domain: `blocks` blocks of `blockRows` consecutive rows each. */
export interface OrderWindow {
  readonly blockRows: number;
  readonly blocks: number;
}

/** Keys of an epoch's local order. */
export interface LocalKeys {
  /** Of the order of blocks. */
  readonly blocks: Key;
  /** Of the order of rows inside the window at a place among windows. */
  readonly windowKey: (place: number) => Key;
  /** Row at which the first block begins. */
  readonly rotation: number;
}

/**
 * The permutation of [0, n) that shuffles blocks, then the rows of each window. Every window has `blocks` blocks, the last one also what is left, at most
 * as many again and the rows that fill no block. Windows are opened as they are come to; the last one asked for is kept.
 */
export function localPermutation(n: number, window: OrderWindow, keys: LocalKeys): Permutation {
  const { blockRows, blocks } = window;
  const { rotation } = keys;
  const full = Math.floor(n / blockRows);
  const windows = Math.max(1, Math.floor(full / blocks));
  const windowRows = blocks * blockRows;
  const blockOrder = full === 0 ? null : permutation(full, keys.blocks);
  let open: { readonly place: number; readonly rows: Permutation } | undefined;

  function rowsOf(place: number): Permutation {
    if (open?.place !== place) {
      const size = place < windows - 1 ? windowRows : n - (windows - 1) * windowRows;
      open = { place, rows: permutation(size, keys.windowKey(place)) };
    }
    return open.rows;
  }
  return {
    size: n,
    at(position) {
      const place = Math.min(Math.floor(position / windowRows), windows - 1);
      const inWindow = rowsOf(place).at(position - place * windowRows);
      const slot = place * blocks + Math.floor(inWindow / blockRows);
      const block = slot < full ? blockOrder!.at(slot) : full;
      return (block * blockRows + (inWindow % blockRows) + rotation) % n;
    },
    positionOf(row) {
      const turned = (row - rotation + n) % n;
      const block = Math.floor(turned / blockRows);
      const slot = block < full ? blockOrder!.positionOf(block) : full;
      const place = Math.min(Math.floor(slot / blocks), windows - 1);
      const inWindow = (slot - place * blocks) * blockRows + (turned % blockRows);
      return place * windowRows + rowsOf(place).positionOf(inWindow);
    },
  };
}
