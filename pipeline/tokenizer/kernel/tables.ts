/**
 * Where things lie in memory. The host (kernel-encoder.ts) builds the tables, writes them behind the module's own data, and sets these.
 */

/** Bytes by `left | right << 8` of two ASCII bytes: 1 where a text can be cut between them. */
export let asciiSeams: usize = 0;
/** Joinable pairs of code points: an open-addressed set of (left, right), -1 in a free slot. */
export let pairs: usize = 0;
/** Slots of `pairs`, a power of two, less one. */
export let pairMask: u32 = 0;
/** Id by code point, -1 where the code point is no piece, and how many there are. */
export let characters: usize = 0;
export let characterCount: u32 = 0;
/** Ids of the 256 byte pieces, -1 for a byte that has none. */
export let byteIds: usize = 0;
/** The symbol that each byte is by itself, -1 where it takes more than one byte to tell. */
export let byteSymbols: usize = 0;
/**
 * By left symbol: the first of its places in `mergeSlots` << 5, with the binary logarithm of their number, and in the high half a bit for
 * every pair, by the first five bits of the right symbol's hash.
 */
export let mergeLefts: usize = 0;
/** Pairs that merge, those of a left symbol together: places of two words, right | result << 21 | rank << 42, all ones in a free one. */
export let mergeSlots: usize = 0;
/** The same answers for pairs of bytes that are symbols, by `left | right << 8`. */
export let byteMerges: usize = 0;
/** Chunks of up to so many bytes that are a piece become it whatever the merges say; 0 for none. Slots of (hash, place of the record), and a bit for every hash. */
export let longestPiece: usize = 0;
export let pieceFilter: usize = 0;
export let pieceSlots: usize = 0;
export let pieceMask: u32 = 0;
export let pieceRecords: usize = 0;
/** The steps of the pre-tokenizer, a byte each. */
export let steps: usize = 0;
export let stepCount: u32 = 0;
/** Classes of code points in blocks of 256, and the block of each 256 code points. */
export let classes: usize = 0;
export let classBlocks: usize = 0;
/** Entries of 16 bytes for chunks of up to 7 bytes; `hash >> frontShift` is the entry. */
export let front: usize = 0;
export let frontShift: u32 = 0;
/** Sets of two entries of 32 bytes for chunks of up to 15 bytes; `hash >> setShift` is the set. */
export let sets: usize = 0;
export let setShift: u32 = 0;
/** Longer chunks: slots of (hash, offset into the store), and the store of records, which starts anew when it is full. */
export let longSlots: usize = 0;
export let longMask: u32 = 0;
export let store: usize = 0;
export let storeSize: u32 = 0;
