"""Where a run stands, by domain, in numbers that a person watches: computed from the schedule and the number of batches served (docs/metrics.md).

Same rules in samplers/live.ts; a cross-language test holds the two together.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from .mixture import PARTS
from .plan import Plan
from .schedule import Schedule, Stage, state_after, tokens_before

Numbers = Dict[str, Any]
"""`batch`, `tokens`, `stage`, and `domains`: by name `weight`, `share`, `loss`, `epochs`, `tokensLeft`, `dryBatch`, `dryTokens`."""


def live_numbers(plan: Plan, batch: int, losses: Optional[Mapping[str, float]] = None) -> Numbers:
    """The numbers after `batch` batches, decided ones; `losses` are the newest by domain. Pure. Raises ERR_UNDECIDED.

    `weight` is that of the next batch, `share` is rows served or passed over, over those of all domains, `epochs` rows served over those of one epoch, `tokensLeft` tokens of the first epoch
    that were not served. `dryBatch` is the batches of the run by which no unseen row is left: exact where it is decided, beyond it as if the last
    weights stayed; None where that is never in this run, or before now.
    """
    schedule = plan.schedule
    header = schedule.header
    end = schedule.end.batch
    served = _served(plan, batch)
    stage = schedule.stage_of(batch) if end is None or batch < end else len(schedule.stages) - 1
    weights = schedule.stages[stage].weights
    all_rows = sum(served)
    domains = {}
    for i, (name, rows) in enumerate(zip(header.domains, header.rows)):
        left = max(0, rows - served[i])
        dry = _dry_out(plan, batch, i, rows) if left else None
        domains[name] = {
            "weight": weights[i] / PARTS,
            "share": served[i] / all_rows if all_rows else 0,
            "loss": (losses or {}).get(name),
            "epochs": served[i] / rows if rows else 0,
            "tokensLeft": left * header.row_tokens,
            "dryBatch": None if dry is None else dry[0],
            "dryTokens": None if dry is None else dry[1],
        }
    return {"batch": batch, "tokens": _tokens(schedule, batch), "stage": stage, "domains": domains}


def _dry_out(plan: Plan, batch: int, i: int, rows: int) -> Optional[Tuple[int, int]]:
    """The batches, and the tokens of the run, by which domain `i` has given `rows` rows, from `batch` on; None if the run ends before."""
    schedule = plan.schedule
    end, final = schedule.end
    known = max(batch, schedule.stages[-1].from_batch) if end is None else end
    left = rows - _served(plan, known)[i]
    if left > 0:
        if final and end is not None:
            return None
        last = schedule.stages[-1]
        each = last.weights[i] * last.batch_rows
        if not each:
            return None
        dry = known - -left * PARTS // each
        batches = schedule.header.batches
        if batches is not None and dry > batches:
            return None
        return dry, _tokens(schedule, known) + (dry - known) * last.batch_rows * schedule.header.row_tokens
    low, high = batch, known
    while low < high:
        middle = (low + high) // 2
        if _served(plan, middle)[i] >= rows:
            high = middle
        else:
            low = middle + 1
    return high, _tokens(schedule, high)


def _served(plan: Plan, batch: int) -> Tuple[int, ...]:
    """Rows of each domain before a batch, which may be the end of what is decided."""
    return tuple(state_after(_previous(plan.schedule, batch), batch, len(plan.schedule.header.domains)).served)


def _tokens(schedule: Schedule, batch: int) -> int:
    """Tokens of the run before a batch."""
    return tokens_before(schedule.header, _previous(schedule, batch), batch)


def _previous(schedule: Schedule, batch: int) -> Optional[Stage]:
    """The stage that governs the batch before."""
    return schedule.governing(batch - 1).stage if batch else None
