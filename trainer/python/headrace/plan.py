"""The plan: which rows make batch k, a pure function of (the schedule up to k, k) (docs/format.md, sections 3.1 to 3.3).

Any batch is reached directly: nothing is remembered between batches but caches. Consecutive batches are planned many at a time
(`block`), which is what makes small ones cheap: bench/plan.py says what a batch costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from .errors import HeadraceError
from .keys import Key, key_of, keys_of, mix32, offset_of
from .local_order import local_rows
from .mixture import Counters, advance, allocate, served_by
from .permutation import TABLE_LIMIT, Permutations, networks, permutations, permuted, tables, walk
from .schedule import Schedule

_CHECKPOINT_BATCHES = 1024


@dataclass(frozen=True)
class Rows:
    """Rows of a batch in served order: parallel arrays."""

    batch: int
    stage: int
    domains: np.ndarray
    """Domain index, intp."""
    epochs: np.ndarray
    """int64."""
    rows: np.ndarray
    """Row in the epoch, int64."""
    starts: np.ndarray
    """Token position in the domain's stream, int64; of packed rows their number in the pack plan."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Block:
    """Rows of consecutive batches of one stage: arrays of (batches, rows), each as in `Rows`."""

    first: int
    stage: int
    domains: np.ndarray
    epochs: np.ndarray
    rows: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        """Batches."""
        return len(self.rows)

    def __getitem__(self, i: int) -> Rows:
        """Rows of the i-th batch: views."""
        return Rows(self.first + i, self.stage, self.domains[i], self.epochs[i], self.rows[i], self.starts[i])


class _Rings(NamedTuple):
    """Epochs of domains side by side, one column each."""

    order: Permutations
    """Of the rows; in a local order of the blocks."""
    rows: np.ndarray
    tokens: np.ndarray
    offsets: np.ndarray
    """Token at which row 0 starts; of packed rows in a local order the row at which the first block begins."""


def rank_positions(batch_rows: int, rank: int, world: int, micro_batch: int, accumulation: int) -> np.ndarray:
    """Positions of a rank in the batch, (accumulation, micro_batch). Raises ERR_WORLD unless world * micro_batch * accumulation is the batch."""
    if min(world, micro_batch, accumulation) < 1 or world * micro_batch * accumulation != batch_rows:
        divisors = ", ".join(str(n) for n in range(1, batch_rows + 1) if batch_rows % n == 0)
        raise HeadraceError(
            "ERR_WORLD",
            f"world {world} x micro-batch {micro_batch} x accumulation {accumulation} is {world * micro_batch * accumulation}, "
            f"the batch has {batch_rows} rows; choose factors among its divisors {divisors}",
        )
    if not 0 <= rank < world:
        raise HeadraceError("ERR_WORLD", f"rank {rank} is not in a world of {world}")
    steps = np.arange(accumulation)[:, None] * world + rank
    return steps * micro_batch + np.arange(micro_batch)


class Plan:
    """The batches of one schedule. Not thread-safe for speed's sake: give each thread its own."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._checkpoints: Dict[int, List[Counters]] = {}
        self._rows_an_epoch = np.maximum(np.array(schedule.header.rows, dtype=np.int64), 1)
        self._rings = lru_cache(maxsize=64)(self._make_rings)

    def counters(self, batch: int) -> Counters:
        """Rows served or passed over before a batch and the deficits then. O(domains) where every weight is at least a row a batch, else from the nearest of checkpoints."""
        index, stage = self.schedule.governing(batch)
        rows = stage.batch_rows
        ago = batch - stage.from_batch
        checkpoints = self._checkpoints.setdefault(index, [stage.start])
        while len(checkpoints) <= ago // _CHECKPOINT_BATCHES:
            checkpoints.append(advance(checkpoints[-1], stage.weights, rows, _CHECKPOINT_BATCHES))
        nearest = checkpoints[ago // _CHECKPOINT_BATCHES]
        return advance(nearest, stage.weights, rows, ago % _CHECKPOINT_BATCHES)

    def counts(self, batch: int) -> List[int]:
        """Rows of each domain in a batch."""
        stage = self.schedule.governing(batch).stage
        counts, _ = allocate(self.counters(batch).deficits, stage.weights, stage.batch_rows)
        return counts

    def batch(self, batch: int) -> Rows:
        """Every row of a batch, in served order. Raises ERR_UNDECIDED past the decided part."""
        return self.block(batch, 1)[0]

    def rank(self, batch: int, rank: int, world: int, micro_batch: int, accumulation: int) -> Rows:
        """A rank's rows of a batch: its accumulation steps one after the other, `micro_batch` rows each. Raises ERR_WORLD, ERR_UNDECIDED."""
        rows = self.schedule.governing(batch).stage.batch_rows
        positions = rank_positions(rows, rank, world, micro_batch, accumulation)
        return self.at(batch, positions.ravel())

    def at(self, batch: int, positions: np.ndarray) -> Rows:
        """The rows at some positions of a batch, in the order given. Raises ERR_UNDECIDED."""
        return self.block(batch, 1, positions)[0]

    def block(self, first: int, most: int, positions: Optional[np.ndarray] = None) -> Block:
        """The rows at some positions (all, in served order) of batch `first` and up to `most` - 1 after it in the same stage, planned at once.

        `most` < 512. Raises ERR_UNDECIDED.
        """
        header = self.schedule.header
        index, stage = self.schedule.governing(first)
        batch_rows = stage.batch_rows
        until = header.batches if stage.until_batch is None else stage.until_batch
        count = most if until is None else min(most, until - first)
        served = served_by(self.counters(first), stage.weights, batch_rows, count)

        # Slots of all the batches end to end: a run of them is a domain's in one batch.
        slots = _slots(header.seed, first, count, batch_rows, positions)
        slots += np.arange(count)[:, None] * batch_rows
        ends = np.cumsum(np.diff(served, axis=0))
        runs = np.searchsorted(ends, slots, side="right")
        first_slots = np.concatenate(([0], ends[:-1]))
        domains = runs % len(header.domains)
        epochs, places = np.divmod(slots + (served[:-1].ravel() - first_slots)[runs], self._rows_an_epoch[domains])

        # A column is an epoch of a domain; those that no row needs are left out.
        lowest = served[0] // self._rows_an_epoch
        widths = served[-1] // self._rows_an_epoch - lowest + 1
        columns = (np.cumsum(widths) - widths - lowest)[domains] + epochs
        needed = np.zeros(int(widths.sum()), dtype=bool)
        needed[columns] = True
        kept = np.flatnonzero(needed)
        columns = (np.cumsum(needed) - 1)[columns]
        owners = np.repeat(np.arange(len(widths)), widths)[kept]
        numbers = kept - (np.cumsum(widths) - widths - lowest)[owners]
        ring = self._rings(tuple(zip(owners.tolist(), numbers.tolist())))

        if header.window is None:
            rows = permuted(ring.order, columns.ravel(), places.ravel()).reshape(slots.shape)
        else:
            names = [header.domains[owner] for owner in owners.tolist()]

            def window_key(column: int, window: int) -> Key:
                return key_of("window", header.seed, names[column], int(numbers[column]), window)

            rows = local_rows(header.window, ring.order, ring.rows, window_key, columns.ravel(), places.ravel())
            if header.pack is not None:
                rows = (rows + ring.offsets[columns.ravel()]) % ring.rows[columns.ravel()]
            rows = rows.reshape(slots.shape)
        if header.pack is not None:
            return Block(first, index, domains, epochs, rows, rows)
        starts = rows * header.row_tokens + ring.offsets[columns]
        tokens = ring.tokens[columns]
        starts -= np.where(starts >= tokens, tokens, 0)
        return Block(first, index, domains, epochs, rows, starts)

    def served_hash(self, rows: Rows) -> str:
        """Hash of the rows served, whatever their order: 16 hex digits. Those of the parts add up to that of the whole (`add_served`)."""
        return served_hash(self.schedule.header.domains, rows)

    def _make_rings(self, columns: Tuple[Tuple[int, int], ...]) -> _Rings:
        header = self.schedule.header
        keys = [key_of("order", header.seed, header.domains[domain], epoch) for domain, epoch in columns]
        sizes = [header.rows[domain] for domain, _ in columns]
        tokens = [header.tokens[domain] for domain, _ in columns]
        window = header.window
        return _Rings(
            permutations(keys, sizes if window is None else [max(1, size // window.block_rows) for size in sizes]),
            np.array(sizes, dtype=np.int64),
            np.array(tokens, dtype=np.int64),
            np.array([offset_of(key, n) for key, n in zip(keys, tokens if header.pack is None else sizes)]),
        )


def served_hash(domains: Tuple[str, ...], rows: Union[Rows, Block]) -> str:
    """Served hash of rows, given the domains' names: sums of mixed (row, epoch) under each domain's key, hi then lo, 16 hex digits."""
    high, low = _served_sums(domains, rows)
    return _hex(int(high.sum()), int(low.sum()))


def served_hashes(domains: Tuple[str, ...], block: Block) -> List[str]:
    """The served hash of each batch of a block."""
    return [_hex(high, low) for high, low in zip(*(sums.tolist() for sums in _served_sums(domains, block)))]


def _served_sums(domains: Tuple[str, ...], rows: Union[Rows, Block]) -> Tuple[np.ndarray, np.ndarray]:
    keys = _served_keys(domains)[:, rows.domains]
    row = rows.rows.astype(np.uint32)
    epoch = rows.epochs.astype(np.uint32)
    low = mix32(mix32(row + keys[0]) ^ (epoch + keys[1]))
    high = mix32(mix32(row + keys[2]) ^ (epoch + keys[3]))
    return high.sum(axis=-1, dtype=np.uint64), low.sum(axis=-1, dtype=np.uint64)


@lru_cache(maxsize=16)
def _served_keys(domains: Tuple[str, ...]) -> np.ndarray:
    return np.array([key_of("served", name)[:4] for name in domains], dtype=np.uint32).T.copy()


def add_served(*hashes: str) -> str:
    """The served hash of the whole from those of its parts."""
    return _hex(sum(int(part[:8], 16) for part in hashes), sum(int(part[8:], 16) for part in hashes))


def _hex(high: int, low: int) -> str:
    return f"{high % 2**32:08x}{low % 2**32:08x}"


def _slots(seed: int, first: int, count: int, batch_rows: int, positions: Optional[np.ndarray]) -> np.ndarray:
    keys = keys_of("batch", seed, range(first, first + count))
    if batch_rows <= TABLE_LIMIT:
        slots = tables(keys, batch_rows)
        return slots if positions is None else slots[:, positions]
    wanted = np.arange(batch_rows) if positions is None else positions
    which = np.repeat(np.arange(count), len(wanted))
    return walk(networks(keys, [batch_rows] * count), which, np.tile(wanted, count)).reshape(count, -1)
