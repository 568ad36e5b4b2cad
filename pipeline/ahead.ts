/**
 * The next item of a stream is asked for before the one in hand is used, so that what a thread of libuv reads or decompresses and what
 * this thread computes go on at the same time. Same items, same order, same errors; holds one item more.
 */

/** The items of `source`, one step ahead. What it throws comes when that item is asked for; ending early closes it. */
export async function* ahead<T>(source: AsyncIterable<T>): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let item = await next; !item.done; item = await next) {
      next = iterator.next();
      // Handled where it is awaited; until then it is no unhandled rejection.
      next.catch(() => {});
      yield item.value;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}
