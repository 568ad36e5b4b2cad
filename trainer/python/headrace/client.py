"""The trainer's end of the control protocol (docs/trainer-protocol.md): JSON lines over a socket, numpy or torch nowhere in sight.

Promises heartbeats from a thread of its own, and an error from the next call when headrace is gone: a client never outlives its host.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Deque, Dict, Mapping, Optional, Tuple

from . import parse
from .errors import HeadraceError
from .keys import parse_json

PROTOCOL = 1
MESSAGE_BYTES = 1_048_576
ADDRESS_VARIABLE = "HEADRACE_ADDRESS"
TOKEN_VARIABLE = "HEADRACE_TOKEN"

_WELCOME_SECONDS = 60.0


@dataclass(frozen=True)
class Welcome:
    """What the host asks for."""

    mode: str
    """`train` or `evaluate`."""
    run: Optional[str]
    """Run folder; None in evaluate mode."""
    shards: str
    batches: int
    every_batches: Optional[int]
    """Batches between two reports; None: report at the end only."""
    checkpoints: Optional[str]
    row_tokens: int
    """Tokens of an evaluation row."""
    tokens_per_domain: int
    """The most validation tokens measured of a domain."""
    heartbeat_seconds: float
    timeout_seconds: float


@dataclass(frozen=True)
class StageMessage:
    """The answer to a report: the schedule on disk has `stages` stages, the last with `hash`."""

    stages: int
    hash: str
    decided_until: Optional[int]


class Client:
    """A connection that has been welcomed. Every call raises ERR_TRAINER once the host is gone. Calls come from one thread."""

    def __init__(self, connection: socket.socket, welcome: Welcome, buffered: bytes) -> None:
        """Use `connect`."""
        self.welcome = welcome
        self._socket = connection
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._stages: Deque[StageMessage] = deque()
        self._failure: Optional[HeadraceError] = None
        self._stopped: Optional[str] = None
        self._closing = False
        self._heard_at = time.monotonic()
        threading.Thread(target=self._listen, args=(buffered,), name="headrace-listen", daemon=True).start()
        threading.Thread(target=self._beat, name="headrace-beat", daemon=True).start()

    @property
    def stopped(self) -> Optional[str]:
        """Why the host asked to end, or None. Ask between batches."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            return self._stopped

    def ready(self, batch: int, stages: int, hash: str) -> None:
        """Says which batches the model in hand was trained on, and the stages it knows."""
        self._send({"type": "ready", "batch": batch, "stages": stages, "hash": hash})

    def acknowledge(
        self,
        batch: int,
        served: str,
        loss: Optional[float] = None,
        tokens: Optional[int] = None,
        seconds: Optional[float] = None,
    ) -> None:
        """Says that a batch was trained on; `loss` is its mean in nats a token, `tokens` how many those are."""
        measured = {"loss": loss, "tokens": tokens, "seconds": seconds}
        self._send(
            {
                "type": "ack",
                "batch": batch,
                "served": served,
                **{name: value for name, value in measured.items() if value is not None},
            }
        )

    def report(self, report: Mapping[str, Any]) -> StageMessage:
        """Reports losses and waits for the stage that they lead to."""
        self._send({"type": "report", "report": report})
        return self.stage()

    def stage(self) -> StageMessage:
        """Waits for a stage; the host's silence ends the wait."""
        with self._changed:
            while not self._stages:
                if self._failure is not None:
                    raise self._failure
                self._changed.wait(1)
            return self._stages.popleft()

    def checkpoint(self, batch: int) -> None:
        """Says that a checkpoint after `batch` batches is complete on disk."""
        self._send({"type": "checkpoint", "batch": batch})

    def done(self, batch: int) -> None:
        """Says that there is nothing more to do, and closes."""
        self._send({"type": "done", "batch": batch})
        self.close()

    def fail(self, message: str) -> None:
        """Tells the host what went wrong, and closes. Never raises."""
        with suppress(HeadraceError):
            self._send({"type": "error", "message": message})
        self.close()

    def close(self) -> None:
        """Closes the connection once what was sent has been taken."""
        with self._changed:
            self._closing = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        # Closing with unread messages would reset the connection and lose what the host has not read yet.
        deadline = time.monotonic() + 5
        with self._changed:
            while self._failure is None and time.monotonic() < deadline:
                self._changed.wait(0.1)
        self._socket.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._changed:
            if self._failure is not None:
                raise self._failure
        try:
            line = json.dumps(message, allow_nan=False).encode("utf-8") + b"\n"
        except ValueError:
            # A loss that is not finite: null travels, and the host names the domain.
            line = json.dumps(_finite(message)).encode("utf-8") + b"\n"
        if len(line) > MESSAGE_BYTES:
            raise HeadraceError("ERR_TRAINER", f"a message has {len(line)} bytes; at most {MESSAGE_BYTES} are sent")
        try:
            with self._sending:
                self._socket.sendall(line)
        except OSError as cause:
            self._fail(_lost(cause.strerror or str(cause)))
            # The host's last words say more than a broken pipe.
            time.sleep(0.2)
            with self._changed:
                raise self._failure or _lost(str(cause)) from cause

    def _listen(self, buffered: bytes) -> None:
        try:
            while True:
                *lines, buffered = buffered.split(b"\n")
                for line in lines:
                    self._receive(line)
                if len(buffered) >= MESSAGE_BYTES:
                    raise HeadraceError("ERR_TRAINER", f"headrace sent a message of more than {MESSAGE_BYTES} bytes")
                chunk = self._socket.recv(65536)
                if not chunk:
                    self._fail(_lost("it closed the connection"))
                    return
                self._heard_at = time.monotonic()
                buffered += chunk
        except HeadraceError as error:
            self._fail(error)
        except OSError as cause:
            self._fail(_lost(cause.strerror or str(cause)))

    def _receive(self, line: bytes) -> None:
        message = parse_message(line)
        kind = message["type"]
        if kind == "stage":
            stage = _parse_stage(message)
            with self._changed:
                self._stages.append(stage)
                self._changed.notify_all()
        elif kind == "stop":
            with self._changed:
                self._stopped = parse.string(message.get("reason"), "message from headrace.reason")
        elif kind == "error":
            raise HeadraceError(
                "ERR_TRAINER", f"headrace ended the run: {message.get('message')}  [{message.get('code')}]"
            )
        elif kind not in ("heartbeat", "welcome"):
            raise HeadraceError(
                "ERR_TRAINER",
                f'headrace sent a message of type "{kind}", which this client does not know; install the client of its version',
            )

    def _beat(self) -> None:
        every, limit = self.welcome.heartbeat_seconds, self.welcome.timeout_seconds
        ticked_at = time.monotonic()
        while True:
            time.sleep(every)
            with self._changed:
                if self._failure is not None or self._closing:
                    return
            now = time.monotonic()
            # A late tick means that this process was busy or asleep and could not have heard anything.
            if now - ticked_at > 2 * every + 1:
                self._heard_at = now
            ticked_at = now
            if now - self._heard_at > limit:
                self._fail(_lost(f"nothing was heard from it for {limit:g} s"))
                return
            # While another message is on its way it is the sign of life.
            if self._sending.acquire(blocking=False):
                try:
                    self._socket.sendall(b'{"type":"heartbeat"}\n')
                except OSError as cause:
                    self._fail(_lost(cause.strerror or str(cause)))
                finally:
                    self._sending.release()

    def _fail(self, error: HeadraceError) -> None:
        with self._changed:
            if self._failure is None:
                self._failure = error
            self._changed.notify_all()
        # Wakes a thread that is in the middle of sending or receiving.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def connect(
    client: str, address: Optional[str] = None, token: Optional[str] = None, rank: int = 0, world: int = 1
) -> Client:
    """Connects to headrace and waits for its welcome. Raises ERR_ARGUMENT without an address or token, ERR_TRAINER when it is turned away.

    `client` is the trainer's name and version, for people. `rank` of `world` counts connections, not processes: a trainer whose
    rank 0 speaks for all is rank 0 of 1.
    """
    address = address or os.environ.get(ADDRESS_VARIABLE)
    token = token or os.environ.get(TOKEN_VARIABLE)
    if not address or not token:
        raise HeadraceError(
            "ERR_ARGUMENT",
            f"{ADDRESS_VARIABLE} and {TOKEN_VARIABLE} are not set; start the trainer with headrace train --trainer, or set what --attach prints",
        )
    connection = _open(address)
    try:
        hello = {
            "type": "hello",
            "protocol": PROTOCOL,
            "token": token,
            "rank": rank,
            "world": world,
            "client": client,
            "host": socket.gethostname(),
        }
        connection.settimeout(_WELCOME_SECONDS)
        connection.sendall(json.dumps(hello).encode("utf-8") + b"\n")
        line, rest = _first_line(connection)
        message = parse_message(line)
        if message["type"] == "error":
            raise HeadraceError(
                "ERR_TRAINER", f"headrace turned the client away: {message.get('message')}  [{message.get('code')}]"
            )
        welcome = _parse_welcome(message)
        connection.settimeout(None)
    except HeadraceError:
        connection.close()
        raise
    except OSError as cause:
        connection.close()
        raise HeadraceError(
            "ERR_TRAINER", f"headrace at {address} did not answer: {cause}; is it still running?"
        ) from cause
    return Client(connection, welcome, rest)


def parse_address(text: str) -> Tuple[str, Any]:
    """`unix:/absolute/path` as ("unix", path), `tcp:host:port` as ("tcp", (host, port)). Raises ERR_ARGUMENT."""
    if text.startswith("unix:/"):
        return "unix", text[len("unix:") :]
    match = re.fullmatch(r"tcp:(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})", text)
    if match and int(match.group(3)) <= 65535:
        return "tcp", (match.group(1) or match.group(2), int(match.group(3)))
    raise HeadraceError("ERR_ARGUMENT", f"address {json.dumps(text)} is not unix:/absolute/path or tcp:host:port")


def parse_message(line: bytes) -> Dict[str, Any]:
    """A line as a message with a type. Raises ERR_PARSE."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise HeadraceError("ERR_PARSE", f"message from headrace is not UTF-8: {line[:40]!r}") from cause
    message = parse.fields(parse_json(text, "message from headrace"), "message from headrace", "type")
    parse.string(message["type"], "message from headrace.type")
    return message


def _open(address: str) -> socket.socket:
    kind, where = parse_address(address)
    try:
        if kind == "tcp":
            return socket.create_connection(where, timeout=_WELCOME_SECONDS)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(where)
        return connection
    except OSError as cause:
        raise HeadraceError(
            "ERR_TRAINER", f"no headrace at {address}: {cause.strerror or cause}; is it still running?"
        ) from cause


def _first_line(connection: socket.socket) -> Tuple[bytes, bytes]:
    received = b""
    while b"\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            raise _lost("it closed the connection before its welcome")
        received += chunk
        if len(received) > MESSAGE_BYTES:
            raise HeadraceError("ERR_TRAINER", f"headrace sent a message of more than {MESSAGE_BYTES} bytes")
    line, rest = received.split(b"\n", 1)
    return line, rest


def _parse_welcome(message: Mapping[str, Any]) -> Welcome:
    at = "welcome"
    parse.one_of(message["type"], f"{at}.type", "welcome")
    parse.fields(
        message,
        at,
        "protocol",
        "mode",
        "run",
        "shards",
        "batches",
        "everyBatches",
        "checkpoints",
        "evaluation",
        "heartbeatSeconds",
        "timeoutSeconds",
    )
    if message["protocol"] != PROTOCOL:
        raise HeadraceError(
            "ERR_TRAINER",
            f"headrace speaks protocol {message['protocol']}, this client {PROTOCOL}; install the client of its version",
        )
    evaluation = parse.fields(message["evaluation"], f"{at}.evaluation", "rowTokens", "tokensPerDomain")
    return Welcome(
        mode=parse.one_of(message["mode"], f"{at}.mode", "train", "evaluate"),
        run=None if message["run"] is None else parse.string(message["run"], f"{at}.run"),
        shards=parse.string(message["shards"], f"{at}.shards"),
        batches=parse.whole(message["batches"], f"{at}.batches"),
        every_batches=parse.optional_whole(message["everyBatches"], f"{at}.everyBatches", 1),
        checkpoints=None
        if message["checkpoints"] is None
        else parse.string(message["checkpoints"], f"{at}.checkpoints"),
        row_tokens=parse.whole(evaluation["rowTokens"], f"{at}.evaluation.rowTokens", 1),
        tokens_per_domain=parse.whole(evaluation["tokensPerDomain"], f"{at}.evaluation.tokensPerDomain", 1),
        heartbeat_seconds=parse.real(message["heartbeatSeconds"], f"{at}.heartbeatSeconds"),
        timeout_seconds=parse.real(message["timeoutSeconds"], f"{at}.timeoutSeconds"),
    )


def _parse_stage(message: Mapping[str, Any]) -> StageMessage:
    at = "stage"
    parse.fields(message, at, "stages", "hash", "decidedUntil")
    return StageMessage(
        parse.whole(message["stages"], f"{at}.stages"),
        parse.string(message["hash"], f"{at}.hash"),
        parse.optional_whole(message["decidedUntil"], f"{at}.decidedUntil"),
    )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _lost(why: str) -> HeadraceError:
    return HeadraceError(
        "ERR_TRAINER", f"headrace is gone: {why}; the newest checkpoint stands, start headrace train again"
    )
