"""The schedule of a run: a header and stages chained by hash (docs/format.md, section 3).

Reading one checks everything that can be checked without the shards: the chain, the bounds of the stages, and the
served rows and carried deficits, which are recomputed. The recorded weights are the source; they are never recomputed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from . import parse
from .errors import HeadraceError
from .keys import canonical_json, chain_hash, hash_of, parse_json
from .mixture import PARTS, Counters, advance, settle

FORMAT = "headrace-schedule/1"
ALGORITHM = 1

PathLike = Union[str, "os.PathLike[str]"]


class Window(NamedTuple):
    """How far a row can move in a local order: among so many blocks of so many consecutive rows."""

    block_rows: int
    blocks: int


@dataclass(frozen=True)
class Header:
    """What a run fixed before its first batch."""

    seed: int
    row_tokens: int
    lookahead: int
    batch_rows: int
    batches: Optional[int]
    """Batches of the whole run; None where it is open."""
    window: Optional[Window]
    """Of a local order; None where the order is global."""
    pack: Optional[str]
    """Hash of the pack plan that makes the rows; None where they lie end to end."""
    exhaustion: str
    epochs: Optional[int]
    domains: Tuple[str, ...]
    tokens: Tuple[int, ...]
    """Length of each domain's train stream."""
    rows: Tuple[int, ...]
    """Rows an epoch of each domain."""
    shards: str
    """Fingerprint of the manifest."""
    policy: Any
    hash: str

    @property
    def limits(self) -> Tuple[Optional[int], ...]:
        """Rows that each domain may give in all; None where nothing limits it."""
        epochs = self.epochs or (None if self.exhaustion == "repeat" else 1)
        return tuple(None if epochs is None else rows * epochs for rows in self.rows)


@dataclass(frozen=True)
class Stage:
    """Weights, and the batches [from_batch, until_batch) they govern."""

    from_batch: int
    until_batch: Optional[int]
    """None: to the end of the run."""
    weights: Tuple[int, ...]
    """In parts of 2^24; all 0 where the run stops."""
    start: Counters
    """Rows served before `from_batch`, and the deficits carried into it, after settling."""
    cause: Mapping[str, Any]
    measured_at: Optional[int]
    lag: Optional[int]
    hash: str
    from_tokens: int
    """Tokens of the batches before `from_batch`."""
    batch_rows: int
    """Rows of a global batch."""
    revises: Optional[Mapping[str, Any]] = None
    """What is changed, where the stage begins inside what the stages before it decide."""
    skipped: Optional[Tuple[int, ...]] = None
    """Rows of each domain that are passed over right before `from_batch`; they count in `start`."""

    @property
    def stops(self) -> bool:
        """Whether the run ends where this stage begins."""
        return bool(self.cause["kind"] == "stop")


class InForce(NamedTuple):
    """A stage that governs batches."""

    place: int
    """Its place in the schedule."""
    stage: Stage
    """With `until_batch` where a later one takes over."""


class End(NamedTuple):
    """How far a schedule is decided."""

    batch: Optional[int]
    """The first batch that no stage governs; None for a run without an end."""
    final: bool
    """Whether the run ends there."""


@dataclass(frozen=True)
class Schedule:
    """A checked schedule. Two with the same `hash` are the same."""

    header: Header
    stages: Tuple[Stage, ...]
    document: Dict[str, Any]
    """The JSON it was read from."""

    @property
    def hash(self) -> str:
        """Hash of the last stage; of the header where there is none."""
        return self.hash_after(len(self.stages))

    @cached_property
    def end(self) -> End:
        """How far the weights are decided."""
        return _end_of(self.header, self.stages)

    @cached_property
    def in_force(self) -> Tuple[InForce, ...]:
        """The stages that govern a batch, in the order of batches, without gaps."""
        return stages_in_force(self.stages)

    def hash_after(self, stages: int) -> str:
        """Hash of the chain after its first `stages` stages."""
        return self.stages[stages - 1].hash if stages else self.header.hash

    def stage_of(self, batch: int) -> int:
        """Index of the stage that governs a batch. Raises ERR_UNDECIDED past the decided part."""
        return self.governing(batch).place

    def governing(self, batch: int) -> InForce:
        """The stage that governs a batch. Raises ERR_UNDECIDED past the decided part."""
        end, final = self.end
        if batch < 0:
            raise HeadraceError("ERR_ARGUMENT", f"batch {batch} does not exist; batches are whole numbers from 0")
        if end is not None and batch >= end:
            raise HeadraceError(
                "ERR_UNDECIDED",
                f"batch {batch} is past the end of the run, which has {end} batches"
                if final
                else f"batch {batch} is not decided yet; the schedule decides {end} batches: append a stage",
            )
        low, high = 0, len(self.in_force)
        while high - low > 1:
            middle = (low + high) // 2
            if self.in_force[middle].stage.from_batch <= batch:
                low = middle
            else:
                high = middle
        return self.in_force[low]

    def check_extends(self, stages: int, hash: str) -> None:
        """Raises ERR_SCHEDULE unless this schedule continues the one that had `stages` stages and the chain hash `hash`."""
        if stages > len(self.stages):
            raise HeadraceError(
                "ERR_SCHEDULE",
                f"schedule has {len(self.stages)} stages, the state in hand knows {stages}; restore the longer one",
            )
        if self.hash_after(stages) != hash:
            raise HeadraceError(
                "ERR_SCHEDULE",
                f"schedule has hash {self.hash_after(stages)} after {stages} stages, the state in hand has {hash}; it belongs to another run or branch",
            )


def stages_in_force(stages: Sequence[Stage]) -> Tuple[InForce, ...]:
    """The stages that govern a batch: one that revises takes over from its first batch on."""
    found: List[InForce] = []
    for index, stage in enumerate(stages):
        if stage.revises is not None:
            found = cut_before(found, stage.from_batch)
        found.append(InForce(index, stage))
    return tuple(found)


def cut_before(found: Sequence[InForce], batch: int) -> List[InForce]:
    """Those of stages in force that govern batches before one, the last of them to there."""
    kept = [each for each in found if each.stage.from_batch < batch]
    if kept and (kept[-1].stage.until_batch is None or kept[-1].stage.until_batch > batch):
        kept[-1] = InForce(kept[-1].place, replace(kept[-1].stage, until_batch=batch))
    return kept


def withdrawn_domains(found: Iterable[InForce]) -> List[str]:
    """The domains that stages in force withdraw: no later stage gives them weight."""
    return [name for _, stage in found for name in withdrawn_by(stage.revises)]


def withdrawn_by(revises: Optional[Mapping[str, Any]]) -> List[str]:
    """The domains that a stage's `revises` withdraws."""
    names = (revises or {}).get("domains") if (revises or {}).get("kind") == "withdraw" else []
    return [str(name) for name in names] if isinstance(names, list) else []


def tokens_before(header: Header, previous: Optional[Stage], batch: int) -> int:
    """Tokens of the batches before one, of which `previous` governs the last; None where there is none."""
    if previous is None:
        return batch * header.batch_rows * header.row_tokens
    return previous.from_tokens + (batch - previous.from_batch) * previous.batch_rows * header.row_tokens


def _end_of(header: Header, stages: Sequence[Stage]) -> End:
    if not stages:
        return End(0, header.batches == 0)
    last = stages[-1]
    if last.stops:
        return End(last.from_batch, True)
    if last.until_batch is None:
        return End(header.batches, True)
    return End(last.until_batch, last.until_batch == header.batches)


def schedule_path(run: PathLike) -> str:
    """The schedule's file, given it or the run folder it lies in."""
    return os.path.join(run, "schedule.json") if os.path.isdir(run) else os.fspath(run)


def read_schedule(run: PathLike) -> Schedule:
    """Reads and checks the schedule of a run folder, or a schedule file. Raises ERR_INPUT, ERR_PARSE, ERR_SCHEDULE."""
    path = schedule_path(run)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as cause:
        raise HeadraceError("ERR_INPUT", f"schedule {path} cannot be read: {cause.strerror}") from cause
    return parse_schedule(parse_json(text, path), path)


def parse_schedule(document: Any, at: str = "schedule") -> Schedule:
    """Checks a schedule's JSON. `at` names it in errors. Raises ERR_PARSE, ERR_SCHEDULE."""
    parse.fields(document, at, "header", "stages")
    header = parse_header(document["header"], f"{at}: header")
    stages: List[Stage] = []
    for index, record in enumerate(parse.items(document["stages"], f"{at}: stages")):
        stages.append(_parse_stage(record, f"{at}: stages[{index}]", header, stages))
    return Schedule(header, tuple(stages), document)


def parse_header(record: Any, at: str = "header") -> Header:
    """Checks a header's JSON. Raises ERR_PARSE on a format or an algorithm that is not known here."""
    parse.fields(record, at, "format", "algorithm", "seed", "rowTokens", "lookahead", "batchRows", "batches")
    parse.fields(record, at, "order", "packing", "exhaustion", "domains", "shards", "policy")
    parse.one_of(record["format"], f"{at}.format", FORMAT)
    parse.one_of(record["algorithm"], f"{at}.algorithm", ALGORITHM)
    local = parse.one_of(record["order"], f"{at}.order", "global", "local") == "local"
    if local != ("window" in record):
        raise HeadraceError(
            "ERR_PARSE",
            f"{at}.window is {canonical_json(record['window']) if 'window' in record else 'absent'} and {at}.order is {record['order']}; "
            "a local order, and that alone, has a window",
        )
    packed = parse.one_of(record["packing"], f"{at}.packing", "concat", "packed") == "packed"
    if packed != ("pack" in record):
        raise HeadraceError(
            "ERR_PARSE",
            f"{at}.pack is {record.get('pack', 'absent')} and {at}.packing is {record['packing']}; packed rows, and those alone, name their pack plan",
        )
    exhaustion = parse.fields(record["exhaustion"], f"{at}.exhaustion", "policy", "epochs")
    domains = parse.items(record["domains"], f"{at}.domains")
    row_tokens = parse.whole(record["rowTokens"], f"{at}.rowTokens", 1)
    names = []
    tokens = []
    rows = []
    for i, domain in enumerate(domains):
        parse.fields(domain, f"{at}.domains[{i}]", "name", "tokens")
        names.append(parse.string(domain["name"], f"{at}.domains[{i}].name"))
        tokens.append(parse.whole(domain["tokens"], f"{at}.domains[{i}].tokens"))
        if packed != ("rows" in domain):
            raise HeadraceError(
                "ERR_PARSE",
                f'{at}.domains: rows of "{names[i]}" is {domain.get("rows", "absent")} and {at}.packing is {record["packing"]}; '
                "packed rows, and those alone, are counted",
            )
        rows.append(
            parse.whole(domain["rows"], f"{at}.domains[{i}].rows", 0, 2**32) if packed else tokens[i] // row_tokens
        )
    if not names or len(set(names)) != len(names):
        parse.mismatch(f"{at}.domains", names, "one or more domains, each once")
    return Header(
        seed=parse.whole(record["seed"], f"{at}.seed"),
        row_tokens=row_tokens,
        lookahead=parse.whole(record["lookahead"], f"{at}.lookahead", 0, 1),
        batch_rows=parse.whole(record["batchRows"], f"{at}.batchRows", 1, 2**20),
        batches=parse.optional_whole(record["batches"], f"{at}.batches"),
        window=_parse_window(record["window"], f"{at}.window") if local else None,
        pack=parse.string(record["pack"], f"{at}.pack") if packed else None,
        exhaustion=parse.one_of(
            exhaustion["policy"], f"{at}.exhaustion.policy", "repeat", "redistribute", "stop", "error"
        ),
        epochs=parse.optional_whole(exhaustion["epochs"], f"{at}.exhaustion.epochs", 1),
        domains=tuple(names),
        tokens=tuple(tokens),
        rows=tuple(rows),
        shards=parse.string(record["shards"], f"{at}.shards"),
        policy=record["policy"],
        hash=hash_of(record),
    )


def _parse_window(record: Any, at: str) -> Window:
    parse.fields(record, at, "blockRows", "blocks")
    return Window(*(parse.whole(record[name], f"{at}.{name}", 1, 2**20) for name in ("blockRows", "blocks")))


def state_after(previous: Optional[Stage], from_batch: int, domains: int) -> Counters:
    """Rows served before a batch and the deficits then; `previous` governs the batch before it, None where there is none."""
    if previous is None:
        return Counters((0,) * domains, (0,) * domains)
    return advance(previous.start, previous.weights, previous.batch_rows, from_batch - previous.from_batch)


def passed_over(state: Counters, skipped: Optional[Sequence[int]]) -> Counters:
    """The state after rows were passed over."""
    if skipped is None:
        return state
    return Counters(tuple(rows + more for rows, more in zip(state.served, skipped)), state.deficits)


def stage_hash(previous: str, record: Mapping[str, Any]) -> str:
    """The hash of a stage's JSON, whose own `hash` does not count."""
    return chain_hash(previous, {name: value for name, value in record.items() if name != "hash"})


_FIELDS = frozenset(
    [
        "fromBatch",
        "untilBatch",
        "fromTokens",
        "weights",
        "served",
        "carry",
        "cause",
        "measuredAt",
        "lag",
        "revises",
        "batchRows",
        "skipped",
        "hash",
    ]
)


def _parse_stage(record: Any, at: str, header: Header, before: List[Stage]) -> Stage:
    parse.fields(record, at, "fromBatch", "untilBatch", "fromTokens", "weights", "served", "carry", "cause", "hash")
    for name in record:
        if name not in _FIELDS:
            parse.mismatch(f"{at}.{name}", record[name], f"no such field; known: {', '.join(sorted(_FIELDS))}")
    domains = len(header.domains)
    from_batch = parse.whole(record["fromBatch"], f"{at}.fromBatch")
    until_batch = parse.optional_whole(record["untilBatch"], f"{at}.untilBatch")
    weights = parse.wholes(record["weights"], f"{at}.weights", domains)
    cause = parse.fields(record["cause"], f"{at}.cause", "kind")
    stops = cause["kind"] == "stop"
    expected_from, final = _end_of(header, before)
    revises = None if record.get("revises") is None else parse.fields(record["revises"], f"{at}.revises", "kind")
    skipped = None if record.get("skipped") is None else parse.wholes(record["skipped"], f"{at}.skipped", domains)
    rows = parse.whole(record.get("batchRows", header.batch_rows), f"{at}.batchRows", 1, 2**20)
    if revises is not None:
        if expected_from is not None and (from_batch > expected_from or (final and from_batch == expected_from)):
            raise HeadraceError(
                "ERR_SCHEDULE",
                f"{at} revises the plan from batch {from_batch} on, the stages before it decide {expected_from} batches",
            )
        kept = cut_before(stages_in_force(before), from_batch)
        previous = kept[-1].stage if kept else None
    else:
        kept = list(stages_in_force(before))
        previous = before[-1] if before else None
    if revises is None and final:
        raise HeadraceError(
            "ERR_SCHEDULE", f"{at} follows a stage that decides the run to its end at batch {expected_from}"
        )
    if revises is None and from_batch != expected_from:
        raise HeadraceError("ERR_SCHEDULE", f"{at}.fromBatch is {from_batch}, the stage before ends at {expected_from}")
    until = header.batches if until_batch is None else until_batch
    if until is not None and header.batches is not None and until > header.batches:
        raise HeadraceError("ERR_SCHEDULE", f"{at}.untilBatch is {until}, the run ends at batch {header.batches}")
    if until is not None and until <= from_batch and not stops:
        raise HeadraceError("ERR_SCHEDULE", f"{at} ends at batch {until}, before it begins at {from_batch}")
    if stops and (until_batch is not None or any(weights)):
        raise HeadraceError("ERR_SCHEDULE", f"{at} stops the run; its untilBatch must be null and its weights 0")
    if not stops and sum(weights) != PARTS:
        raise HeadraceError("ERR_SCHEDULE", f"{at}.weights sum to {sum(weights)}; they must sum to {PARTS}")
    for name, weight, available in zip(header.domains, weights, header.rows):
        if weight and not available:
            raise HeadraceError(
                "ERR_DOMAIN",
                f'{at} gives weight to "{name}", whose stream is shorter than a row of {header.row_tokens} tokens',
            )
    for name, weight in zip(header.domains, weights):
        if weight and name in [*withdrawn_domains(kept), *withdrawn_by(revises)]:
            raise HeadraceError("ERR_SCHEDULE", f'{at} gives weight to "{name}", which was withdrawn')
    state = passed_over(state_after(previous, from_batch, domains), skipped)
    start = Counters(state.served, tuple(settle(state.deficits, weights)))
    from_tokens = tokens_before(header, previous, from_batch)
    recorded = {
        "fromTokens": (record["fromTokens"], from_tokens),
        "served": (record["served"], list(start.served)),
        "carry": (record["carry"], list(start.deficits)),
        "hash": (record["hash"], stage_hash(before[-1].hash if before else header.hash, record)),
    }
    for name, (seen, expected) in recorded.items():
        if seen != expected:
            raise HeadraceError(
                "ERR_SCHEDULE",
                f"{at}.{name} is {canonical_json(seen)}, what lies before it gives {canonical_json(expected)}; the file was changed",
            )
    if until is not None and not stops:
        given = advance(start, weights, rows, until - from_batch).served
        for name, count, limit in zip(header.domains, given, header.limits):
            if limit is not None and count > limit:
                raise HeadraceError(
                    "ERR_SCHEDULE",
                    f'{at} gives {count} rows of "{name}" by batch {until}, at most {limit} are allowed by exhaustion {header.exhaustion}',
                )
    return Stage(
        from_batch=from_batch,
        until_batch=until_batch,
        weights=tuple(weights),
        start=start,
        cause=cause,
        measured_at=parse.optional_whole(record.get("measuredAt"), f"{at}.measuredAt"),
        lag=parse.optional_whole(record.get("lag"), f"{at}.lag"),
        hash=record["hash"],
        from_tokens=from_tokens,
        batch_rows=rows,
        revises=revises,
        skipped=None if skipped is None else tuple(skipped),
    )
