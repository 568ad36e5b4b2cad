"""Re-weighting as one atomic act on a run folder: a loss report goes in, a stage is appended, under a lock and once (samplers/reweight.ts).

The report is recorded first, and what is recorded decides: a crash between the two, a report sent twice, or two callers at
the same time lead to the same stage. A stage that is there is never replaced.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .commit import write_whole
from .errors import HeadraceError
from .keys import canonical_json
from .lock import holding
from .losses import Report, check_report, mean_losses, record_report
from .mixture import PARTS, Counters, advance, settle, weight_parts
from .policy import LossDriven, parse_policy, update_weights
from .rules import Measured, Weights, divided
from .schedule import (
    Header,
    PathLike,
    Schedule,
    Stage,
    cut_before,
    parse_schedule,
    passed_over,
    read_schedule,
    stage_hash,
    state_after,
    withdrawn_domains,
)


class Reweighting(NamedTuple):
    """What a report led to."""

    schedule: Schedule
    stage: Optional[Stage]
    """The stage of this report; None when the policy is static or the run is decided to its end."""
    report: Report
    """The report on record, which is the first that was sent for its batch."""
    appended: bool
    """Whether this call appended the stage; False when it was there."""


def reweight(run: PathLike, report: Any, wait_seconds: float = 60) -> Reweighting:
    """Records a loss report and appends the stage that the header's policy makes of it. Idempotent by the batch of the report.

    Waits at most `wait_seconds` for another caller. Raises ERR_LOSS and ERR_PARSE on a bad report (nothing is recorded),
    ERR_SCHEDULE when another batch is due, ERR_EXHAUSTED, ERR_LOCKED.
    """
    folder = os.path.abspath(run)
    path = os.path.join(folder, "schedule.json")
    if not os.path.exists(path):
        raise HeadraceError("ERR_INPUT", f"{folder} has no schedule.json; name the folder of a run")
    with holding(os.path.join(folder, "schedule.lock"), wait_seconds):
        schedule = read_schedule(path)
        checked = check_report(report, schedule.header.domains)
        measured_at = checked["measuredAt"]
        known = next((stage for stage in schedule.stages if stage.measured_at == measured_at), None)
        if known is not None:
            return Reweighting(schedule, known, record_report(folder, checked), False)
        due = next_report(schedule)
        _require_due(schedule, measured_at, due)
        recorded = record_report(folder, checked)
        if measured_at != due:
            return Reweighting(schedule, None, recorded, False)
        longer = append_update(schedule, recorded)
        write_schedule(path, longer)
        return Reweighting(longer, longer.stages[len(schedule.stages)], recorded, True)


def next_report(schedule: Schedule) -> Optional[int]:
    """The batch at which the next report is due that leads to a stage; None when none will."""
    policy = _policy_of(schedule)
    end, final = schedule.end
    if policy is None or final or end is None:
        return None
    return end - _lag_of(schedule, policy)


def lag_of(schedule: Schedule) -> Optional[int]:
    """Batches between a report and the stage it leads to; None where no stage follows from losses."""
    policy = _policy_of(schedule)
    return None if policy is None else _lag_of(schedule, policy)


def append_update(schedule: Schedule, report: Report) -> Schedule:
    """The schedule with the update that a report leads to. Pure. Raises ERR_LOSS, ERR_EXHAUSTED."""
    header = schedule.header
    policy = _policy_of(schedule)
    from_batch = schedule.end.batch
    if policy is None or from_batch is None:
        raise HeadraceError("ERR_SCHEDULE", "the schedule is decided to its end; no report moves its weights")
    losses = mean_losses(report)
    current = weights_of(schedule)
    weights, asked, actions = update_weights(
        policy,
        current,
        losses,
        schedule.stages[-1].batch_rows,
        exhausted_domains(schedule),
        _measured_before(schedule),
        withdrawn_domains(schedule.in_force),
    )
    until = from_batch + policy.every_batches
    return append_stage(
        schedule,
        until if header.batches is None else min(until, header.batches),
        weights,
        {
            "kind": "loss",
            "report": report["kind"],
            "losses": losses,
            "asked": asked,
            "rails": actions,
            "weights": weights,
        },
        {"measuredAt": report["measuredAt"], "lag": from_batch - report["measuredAt"]},
    )


class Revision(NamedTuple):
    """What a stage changes inside the decided part."""

    from_batch: int
    said: Dict[str, Any]
    """`kind`, and what else the stage is to say of it."""


def append_stage(
    schedule: Schedule,
    until_batch: Optional[int],
    weights: Weights,
    cause: Dict[str, Any],
    origin: Dict[str, int],
    revision: Optional[Revision] = None,
    batch_rows: Optional[int] = None,
    skipped: Optional[Sequence[int]] = None,
) -> Schedule:
    """The schedule with one more stage where the decided part ends, or several where domains run out of rows before `until_batch` (samplers/schedule.ts).

    `origin` may hold `measuredAt` and `lag`; `batch_rows` are by default those of the stage before; `skipped` rows of each domain are passed
    over first. With a `revision` it begins inside the decided part. Pure. Raises ERR_EXHAUSTED when rows run out under `error`.
    """
    header = schedule.header
    asked = weight_parts([weights[name] for name in header.domains])
    begin = schedule.end.batch if revision is None else revision.from_batch
    if revision is None and schedule.end.final:
        begin = None
    if begin is None:
        raise HeadraceError("ERR_SCHEDULE", "a stage cannot be appended: the schedule is decided to the end of the run")
    before = [each.stage for each in (schedule.in_force if revision is None else cut_before(schedule.in_force, begin))]
    previous = before[-1] if before else None
    rows = batch_rows or (previous.batch_rows if previous else header.batch_rows)
    # Tokens are counted from the last stage that was sealed: its batch, its tokens and the rows of its batches.
    mark = (previous.from_batch, previous.from_tokens, previous.batch_rows) if previous else (0, 0, header.batch_rows)
    change: Dict[str, Any] = {} if revision is None else {"revises": revision.said}
    if skipped is not None:
        change["skipped"] = list(skipped)
    records: List[Dict[str, Any]] = []
    hashes = [schedule.hash]

    def seal(record: Dict[str, Any]) -> None:
        nonlocal mark
        batch, tokens, each = mark
        record["fromTokens"] = tokens + (record["fromBatch"] - batch) * each * header.row_tokens
        mark = (record["fromBatch"], record["fromTokens"], rows)
        if rows != header.batch_rows:
            record["batchRows"] = rows
        if record["fromBatch"] == begin:
            record.update(change)
        record["hash"] = stage_hash(hashes[-1], record)
        hashes.append(record["hash"])
        records.append(record)

    def stop(batch: int, served: Sequence[int]) -> None:
        nothing = [0] * len(header.domains)
        seal(
            {
                "fromBatch": batch,
                "untilBatch": None,
                "weights": nothing,
                "served": list(served),
                "carry": nothing,
                "cause": {"kind": "stop", "domains": reason},
            }
        )

    gone: Set[int] = set()
    reason: List[str] = []
    batch = begin
    state = passed_over(state_after(previous, begin, len(header.domains)), skipped)
    while True:
        parts = asked if not gone else _without(asked, gone)
        if parts is None:
            stop(batch, state.served)
            break
        start = Counters(state.served, tuple(settle(state.deficits, parts)))
        last = until_batch if until_batch is not None else header.batches
        found = _first_exhaustion(header, start, parts, rows, batch, last)
        if found is None or found[0] > batch:
            record: Dict[str, Any] = {
                "fromBatch": batch,
                "untilBatch": until_batch if found is None else found[0],
                "weights": parts,
                "served": list(start.served),
                "carry": list(start.deficits),
                "cause": {"kind": "exhausted", "domains": reason}
                if batch != begin
                else {**cause, "exhausted": reason}
                if reason
                else cause,
            }
            seal({**record, **(origin if batch == begin else {})})
            reason = []
        if found is None:
            break
        if found[0] > batch:
            state = advance(start, parts, rows, found[0] - batch)
        batch = found[0]
        names = [header.domains[i] for i in found[1]]
        if header.exhaustion == "error":
            raise HeadraceError(
                "ERR_EXHAUSTED",
                f"{' and '.join(names)} would run out of rows in batch {batch} (at {mark[1] + (batch - mark[0]) * mark[2] * header.row_tokens} tokens); "
                "lower the weight, end the run before that batch, or choose exhaustion repeat, redistribute or stop",
            )
        reason = reason + names
        if header.exhaustion == "stop":
            stop(batch, state.served)
            break
        gone.update(found[1])
    return parse_schedule({**schedule.document, "stages": [*schedule.document["stages"], *records]})


def _first_exhaustion(
    header: Header, start: Counters, parts: Sequence[int], rows: int, batch: int, until: Optional[int]
) -> Optional[Tuple[int, List[int]]]:
    """The first batch in [batch, until) that would take a domain past its limit, and those it would take past."""
    if all(limit is None for limit in header.limits):
        return None
    state = start
    while until is None or batch < until:
        after = advance(state, parts, rows, 1)
        past = [i for i, limit in enumerate(header.limits) if limit is not None and after.served[i] > limit]
        if past:
            return batch, past
        # After n batches no domain is a whole row ahead of its share, so none is past its limit before these many.
        skips = [
            max(0, ((limit - served - 1) * PARTS - deficit) // (part * rows))
            for limit, served, deficit, part in zip(header.limits, after.served, after.deficits, parts)
            if limit is not None and part
        ]
        if not skips:
            return None
        skip = min(skips) if until is None else min(*skips, until - batch - 1)
        state = advance(after, parts, rows, skip)
        batch += 1 + skip
    return None


def _without(parts: Sequence[int], gone: Set[int]) -> Optional[List[int]]:
    """The weights with some domains at 0 and their mass given to the others in proportion; None if nobody is left."""
    total = sum(part for i, part in enumerate(parts) if i not in gone)
    return weight_parts([0 if i in gone else part / total for i, part in enumerate(parts)]) if total else None


def _policy_of(schedule: Schedule) -> Optional[LossDriven]:
    return parse_policy(schedule.header.policy, schedule.header.domains)


def weights_of(schedule: Schedule, stage: Optional[Stage] = None) -> Weights:
    weights = (stage or schedule.stages[-1]).weights
    return divided({name: part / PARTS for name, part in zip(schedule.header.domains, weights)})


def average_weights(schedule: Schedule) -> Weights:
    """The mean of the weights that the updates in force decided: what DoReMi (arXiv 2305.10429, algorithm 1) gives to the next run.

    Of the recorded integer weights. Pure. Raises ERR_SCHEDULE where no update was made.
    """
    updates = [stage for _, stage in schedule.in_force if stage.cause["kind"] == "loss"]
    if not updates:
        raise HeadraceError(
            "ERR_SCHEDULE",
            "no update was made in this run, so there are no weights to take the mean of; name a run that followed losses",
        )
    sums = [sum(column) for column in zip(*(stage.weights for stage in updates))]
    return divided({name: each / (len(updates) * PARTS) for name, each in zip(schedule.header.domains, sums)})


def _measured_before(schedule: Schedule) -> List[Measured]:
    """The losses of the updates that were recorded, oldest first, each with the weights that it started from."""
    return [
        Measured(weights_of(schedule, before.stage), each.stage.cause["losses"])
        for before, each in zip(schedule.in_force, schedule.in_force[1:])
        if each.stage.cause["kind"] == "loss"
    ]


def exhausted_domains(schedule: Schedule) -> List[str]:
    """The domains that earlier stages closed because they had given all their rows."""
    names: List[str] = []
    for _, stage in schedule.in_force:
        closed = stage.cause.get("domains", stage.cause.get("exhausted"))
        names += closed if isinstance(closed, list) else []
    return names


def _lag_of(schedule: Schedule, policy: LossDriven) -> int:
    """Batches between a report and its stage: of the stages that there are, else what the first stage allows beyond the first interval."""
    updated = next((stage for stage in schedule.stages if stage.cause["kind"] == "loss"), None)
    if updated is not None and updated.lag is not None:
        return updated.lag
    return (schedule.stages[-1].until_batch or 0) - policy.every_batches


def _require_due(schedule: Schedule, measured_at: int, due: Optional[int]) -> None:
    """A report may be about the batch that is due, or, where nothing is due, about any decided batch."""
    if measured_at == due:
        return
    end = schedule.end.batch
    if due is None and (end is None or measured_at <= end):
        return
    raise HeadraceError(
        "ERR_SCHEDULE",
        f"the loss report was measured at batch {measured_at}, the run ends at batch {end}"
        if due is None
        else f"the loss report was measured at batch {measured_at}; the next stage needs one measured at batch {due}",
    )


def write_schedule(path: str, schedule: Schedule) -> None:
    """Writes a schedule whole or not at all, one line a stage."""
    stages = ",".join(f"\n{canonical_json(stage)}" for stage in schedule.document["stages"])
    text = f'{{"header":{canonical_json(schedule.document["header"])},\n"stages":[{stages}]}}\n'
    with write_whole(path) as file:
        file.write(text.encode("utf-8"))
