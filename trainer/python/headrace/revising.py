"""Changes of a run under way: batches of data passed over, batches of another size, other weights, an earlier end, a branch (samplers/revise.ts).

A change is a stage that begins inside the decided part; what is decided from there on is appended again after it, with the rows that are then
due. Nothing recorded is replaced, and a batch that was acknowledged is never changed: that is a branch.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .commit import write_whole
from .errors import HeadraceError
from .lock import holding
from .losses import read_report, record_report, report_path
from .mixture import advance
from .plan import Plan
from .policy import without
from .reweighting import Revision, append_stage, weights_of, write_schedule
from .rules import Weights, divided
from .schedule import (
    PathLike,
    Schedule,
    Stage,
    parse_schedule,
    read_schedule,
    stage_hash,
    state_after,
    tokens_before,
)


class Request(NamedTuple):
    """Weights to be appended again."""

    from_batch: int
    until_batch: Optional[int]
    weights: Weights
    cause: Dict[str, Any]
    origin: Dict[str, int]
    batch_rows: int
    skipped: Optional[Sequence[int]]


Change = Callable[[List[Request]], List[Request]]


def skip(
    schedule: Schedule,
    from_batch: int,
    until_batch: int,
    note: Optional[str] = None,
    rows: Optional[Sequence[int]] = None,
) -> Schedule:
    """Passes over the rows that the batches [from_batch, until_batch) would hold; batch `from_batch` goes on with what comes after them.

    `rows` are those of each domain in them where another run was served them (`branch_run`). Pure. Raises ERR_ARGUMENT on an empty range, ERR_SCHEDULE where not all of it is decided.
    """
    if not 0 <= from_batch < until_batch:
        raise HeadraceError(
            "ERR_ARGUMENT", f"batches {from_batch} to {until_batch} are to be passed over; a range ends after it begins"
        )
    end = schedule.end.batch
    if rows is None and end is not None and until_batch > end:
        raise HeadraceError(
            "ERR_SCHEDULE",
            f"batches {from_batch} to {until_batch} are to be passed over, the schedule decides {end}; "
            "pass over those, and the others once they are decided",
        )
    passed = rows_between(schedule, from_batch, until_batch) if rows is None else list(rows)

    def change(requests: List[Request]) -> List[Request]:
        before = requests[0].skipped or (0,) * len(passed)
        return [requests[0]._replace(skipped=[a + b for a, b in zip(passed, before)]), *requests[1:]]

    return _revised(schedule, from_batch, {"kind": "skip", "untilBatch": until_batch}, change, note)


def resize(schedule: Schedule, from_batch: int, batch_rows: int, note: Optional[str] = None) -> Schedule:
    """Batches of `batch_rows` rows from a batch on. Pure. Raises ERR_ARGUMENT, ERR_SCHEDULE."""
    if not 1 <= batch_rows <= 2**20:
        raise HeadraceError("ERR_ARGUMENT", f"a batch of {batch_rows} rows; it has 1 to {2**20}")

    def change(requests: List[Request]) -> List[Request]:
        return [request._replace(batch_rows=batch_rows) for request in requests]

    return _revised(schedule, from_batch, {"kind": "batch"}, change, note)


def mix(
    schedule: Schedule,
    from_batch: int,
    weights: Weights,
    note: Optional[str] = None,
    because: Optional[Dict[str, Any]] = None,
) -> Schedule:
    """Other weights from a batch to the end of what is decided; `because` is what else the cause of the stage says. Pure. Raises ERR_WEIGHTS, ERR_DOMAIN, ERR_SCHEDULE."""
    names = schedule.header.domains
    if set(weights) != set(names):
        raise HeadraceError(
            "ERR_DOMAIN", f"weights are for {', '.join(weights)}; give one for each of {', '.join(names)}"
        )
    asked = divided({name: weights[name] for name in names})

    def change(requests: List[Request]) -> List[Request]:
        cause = {"kind": "asked", **(because or {}), "weights": asked}
        return [requests[0]._replace(until_batch=requests[-1].until_batch, weights=asked, cause=cause, origin={})]

    return _revised(schedule, from_batch, {"kind": "weights"}, change, note)


def withdraw(schedule: Schedule, from_batch: int, domains: Sequence[str], note: Optional[str] = None) -> Schedule:
    """Domains that are never served again: their weight goes to the others in proportion, now and under every later stage.

    Pure. Raises ERR_DOMAIN, ERR_WEIGHTS where none is left, ERR_SCHEDULE.
    """
    stranger = next((name for name in domains if name not in schedule.header.domains), None)
    if stranger is not None or not domains:
        known = ", ".join(schedule.header.domains)
        what = "no domain" if stranger is None else f'"{stranger}"'
        raise HeadraceError("ERR_DOMAIN", f"{what} is to be withdrawn; the schedule has {known}")

    def change(requests: List[Request]) -> List[Request]:
        measured = next((request for request in requests if "measuredAt" in request.origin), None)
        if measured is not None:
            raise HeadraceError(
                "ERR_SCHEDULE",
                f"domains are to be withdrawn at batch {from_batch}, before the weights measured at batch {measured.origin['measuredAt']} are in force; "
                f"withdraw them at batch {measured.from_batch + 1} or later",
            )
        return [request._replace(weights=without(request.weights, domains)) for request in requests]

    return _revised(schedule, from_batch, {"kind": "withdraw", "domains": list(domains)}, change, note)


def end_at(schedule: Schedule, from_batch: int, note: Optional[str] = None) -> Schedule:
    """Ends the run before a batch that is decided. Pure. Raises ERR_SCHEDULE."""
    _decided_from(schedule, from_batch, False)
    return _ended(schedule, from_batch, _said({"kind": "end"}, note), [])


def _ended(schedule: Schedule, from_batch: int, said: Dict[str, Any], domains: List[str]) -> Schedule:
    previous = schedule.governing(from_batch - 1).stage if from_batch else None
    nothing = [0] * len(schedule.header.domains)
    record: Dict[str, Any] = {
        "fromBatch": from_batch,
        "untilBatch": None,
        "fromTokens": tokens_before(schedule.header, previous, from_batch),
        "weights": nothing,
        "served": list(state_after(previous, from_batch, len(nothing)).served),
        "carry": nothing,
        "cause": {"kind": "stop", "domains": domains},
        "revises": said,
    }
    record["hash"] = stage_hash(schedule.hash, record)
    return parse_schedule({**schedule.document, "stages": [*schedule.document["stages"], record]})


def branch(schedule: Schedule, batch: int, note: Optional[str] = None) -> Schedule:
    """The schedule of a branch: the stages that decide the batches before `batch`, and one that goes on with what was decided when it came to it.

    Pure. Raises ERR_SCHEDULE where the schedule does not decide the batch.
    """
    said = {"kind": "branch", "parent": schedule.hash, "stages": len(schedule.stages)}

    def change(requests: List[Request]) -> List[Request]:
        # What was decided by losses measured later is the other run's.
        later = (i for i, request in enumerate(requests) if request.origin.get("measuredAt", 0) > batch)
        return requests[: next(later, len(requests))]

    longer = _revised(schedule, batch, said, change, note)
    last = max((index for index, stage in schedule.in_force if stage.from_batch < batch), default=-1)
    stages: List[Dict[str, Any]] = list(schedule.document["stages"][: last + 1])
    for record in longer.document["stages"][len(schedule.stages) :]:
        previous = stages[-1]["hash"] if stages else schedule.header.hash
        stages.append({**record, "hash": stage_hash(previous, record)})
    return parse_schedule({**schedule.document, "stages": stages})


def revise_run(
    run: PathLike, change: Callable[[Schedule], Schedule], from_batch: int, wait_seconds: float = 60
) -> Schedule:
    """Changes a run folder that nobody is training, in one atomic act: `revise_run(run, lambda schedule: skip(schedule, 5200, 5400), 5200)`.

    Returns the longer schedule. Raises ERR_SCHEDULE when the change would reach an acknowledged batch, ERR_LOCKED, and what the change raises.
    """
    folder = os.path.abspath(run)
    with holding(os.path.join(folder, "train.lock"), 0), holding(os.path.join(folder, "schedule.lock"), wait_seconds):
        path = os.path.join(folder, "schedule.json")
        schedule = read_schedule(path)
        acknowledged = len(_served_lines(folder))
        if from_batch < acknowledged:
            raise HeadraceError(
                "ERR_SCHEDULE",
                f"batch {from_batch} was served: {acknowledged} batches are acknowledged; begin at {acknowledged}, or make a branch at {from_batch}",
            )
        longer = change(schedule)
        longer.check_extends(len(schedule.stages), schedule.hash)
        changed = longer.stages[len(schedule.stages)].from_batch
        if changed < acknowledged:
            raise HeadraceError(
                "ERR_SCHEDULE", f"the change begins at batch {changed}, and {acknowledged} batches are acknowledged"
            )
        write_schedule(path, longer)
        return longer


def branch_run(
    run: PathLike,
    batch: int,
    out: PathLike,
    note: Optional[str] = None,
    skipping: Optional[Tuple[int, int]] = None,
) -> Schedule:
    """Makes a branch of a run in a new folder: schedule, loss reports, run.json and the lines of the served log that it shares; no checkpoints.

    `skipping` (from, until) passes over what the run was served, or would be, in those batches, of which the first is in the branch.

    Raises ERR_OUTPUT where the folder is not empty, ERR_SCHEDULE where the batch is not decided or those before were not all served.
    """
    source, folder = os.path.abspath(run), os.path.abspath(out)
    schedule = read_schedule(source)
    lines = _served_lines(source)
    if lines and len(lines) < batch:
        raise HeadraceError(
            "ERR_SCHEDULE",
            f"{source} has served {len(lines)} batches, a branch at batch {batch} would have batches that nobody was served; branch at {len(lines)} or before",
        )
    made = branch(schedule, batch, note)
    if skipping is not None:
        first, until = skipping
        if first < batch:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"batches from {first} on are to be passed over in a branch at {batch}; branch at {first}",
            )
        decided = schedule.end.batch is None or until <= schedule.end.batch
        made = skip(made, first, until, note, rows_between(schedule, first, until) if decided else None)
    os.makedirs(folder, exist_ok=True)
    if os.listdir(folder):
        raise HeadraceError("ERR_OUTPUT", f"{folder} is not empty; choose another folder for the branch")
    os.makedirs(os.path.join(folder, "checkpoints"))
    reports = os.path.join(source, "reports")
    for name in sorted(os.listdir(reports)) if os.path.isdir(reports) else []:
        if re.fullmatch(r"\d{8,}\.json", name) and int(name[:-5]) <= batch:
            record_report(folder, read_report(report_path(source, int(name[:-5])), schedule.header.domains))
    if lines:
        with write_whole(os.path.join(folder, "served.log")) as file:
            file.write("".join(f"{line}\n" for line in lines[:batch]).encode("ascii"))
    record = os.path.join(source, "run.json")
    if os.path.exists(record):
        with open(record, "rb") as known, write_whole(os.path.join(folder, "run.json")) as file:
            file.write(known.read())
    write_schedule(os.path.join(folder, "schedule.json"), made)
    return made


def rows_between(schedule: Schedule, first: int, until: int) -> List[int]:
    """Rows of each domain in the batches [first, until) as decided; what stages between pass over is not counted."""
    plan = Plan(schedule)
    rows = [0] * len(schedule.header.domains)
    for _, stage in schedule.in_force:
        begin, end = max(first, stage.from_batch), min(until, until if stage.until_batch is None else stage.until_batch)
        if begin >= end:
            continue
        before = plan.counters(begin)
        after = advance(before, stage.weights, stage.batch_rows, end - begin)
        rows = [n + b - a for n, a, b in zip(rows, before.served, after.served)]
    return rows


def _revised(
    schedule: Schedule, from_batch: int, said: Dict[str, Any], change: Change, note: Optional[str]
) -> Schedule:
    longer = schedule
    requests, stop = _decided_from(schedule, from_batch, said["kind"] == "branch")
    later = next((request for request in requests[1:] if request.skipped is not None), None)
    if later is not None and said["kind"] != "branch":
        raise HeadraceError(
            "ERR_SCHEDULE",
            f"a change from batch {from_batch} on would make the rows others that are passed over at batch {later.from_batch}; "
            "make changes in the order of batches, or a branch before both",
        )
    for i, request in enumerate(change(requests)):
        if i and longer.end.final:
            break
        longer = append_stage(
            longer,
            request.until_batch,
            request.weights,
            request.cause,
            request.origin,
            None if i else Revision(from_batch, _said(said, note)),
            request.batch_rows,
            request.skipped,
        )
    # A branch that leaves out what later losses decided has not come to the stop.
    if stop is None or longer.end.final or longer.end.batch != stop.from_batch:
        return longer
    return _ended(longer, stop.from_batch, {"kind": "end"}, list(stop.cause.get("domains", ())))


def _said(said: Dict[str, Any], note: Optional[str]) -> Dict[str, Any]:
    return said if note is None else {**said, "note": note}


def _decided_from(schedule: Schedule, batch: int, unchanged: bool) -> Tuple[List[Request], Optional[Stage]]:
    """What is decided from a batch on, and the stage that stops the run; that a domain ran dry is left out unless nothing changes: it will elsewhere."""
    header = schedule.header
    end = schedule.end.batch
    if batch < 0 or (end is not None and batch >= end):
        raise HeadraceError(
            "ERR_SCHEDULE",
            f"a change from batch {batch} on changes nothing: the schedule decides {end} batches; begin it inside them",
        )
    requests: List[Request] = []
    for _, stage in schedule.in_force:
        kind = stage.cause["kind"]
        if stage.until_batch is not None and stage.until_batch <= batch:
            continue
        if kind == "stop" and (unchanged or not stage.cause.get("domains")):
            return requests, stage
        if not unchanged and requests and kind in ("stop", "exhausted"):
            if kind == "stop" and header.policy["kind"] == "loss-driven":
                raise HeadraceError(
                    "ERR_SCHEDULE",
                    f"the run stops at batch {stage.from_batch}, and how long its last weights were to hold is not known; change it before it is decided",
                )
            until = header.batches if stage.until_batch is None else stage.until_batch
            requests[-1] = requests[-1]._replace(until_batch=until)
            continue
        whole = stage.from_batch >= batch
        origin = {"measuredAt": stage.measured_at, "lag": stage.lag} if whole else {}
        requests.append(
            Request(
                max(stage.from_batch, batch),
                stage.until_batch,
                weights_of(schedule, stage),
                dict(stage.cause) if whole else {"kind": "continued"},
                {name: value for name, value in origin.items() if value is not None},
                stage.batch_rows,
                stage.skipped if whole else None,
            )
        )
    return requests, None


def _served_lines(folder: str) -> List[str]:
    """The whole lines of a served log; none where there is no log."""
    try:
        with open(os.path.join(folder, "served.log"), encoding="ascii") as file:
            return file.read().split("\n")[:-1]
    except FileNotFoundError:
        return []
