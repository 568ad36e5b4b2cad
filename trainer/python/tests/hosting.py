"""A host for the client's tests: one connection, scripted or minding a run folder, everything it hears kept."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from headrace.plan import Plan
from headrace.reweighting import reweight
from headrace.schedule import read_schedule

Message = Dict[str, Any]
TOKEN = "secret"


class StubHost:
    """Listens on a socket in `folder`; `answer(message)` gives the messages to send back to each that arrives."""

    def __init__(
        self,
        folder: str,
        welcome: Message,
        answer: Optional[Callable[[Message], List[Message]]] = None,
        tcp: bool = False,
    ) -> None:
        self.heard: List[Message] = []
        self.problem: Optional[BaseException] = None
        self._welcome = {"type": "welcome", "protocol": 1, **welcome}
        self._answer = answer or (lambda message: [])
        self._server = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX, socket.SOCK_STREAM)
        if tcp:
            self._server.bind(("127.0.0.1", 0))
            self.address = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        else:
            path = os.path.join(folder, "socket")
            self._server.bind(path)
            self.address = f"unix:{path}"
        self._server.listen()
        self.connection: Optional[socket.socket] = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> StubHost:
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.close()
        if self.connection is not None:
            self.connection.close()

    def send(self, message: Message) -> None:
        assert self.connection is not None
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def join(self) -> None:
        """Waits for the conversation to end; raises what went wrong in it."""
        self._thread.join(10)
        if self.problem is not None:
            raise self.problem

    def said(self, kind: str) -> List[Message]:
        return [message for message in self.heard if message["type"] == kind]

    def wait_for(self, kind: str) -> Message:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.said(kind):
                return self.said(kind)[0]
            time.sleep(0.01)
        raise AssertionError(f"no {kind} arrived")

    def _serve(self) -> None:
        try:
            self.connection, _ = self._server.accept()
            for line in self.connection.makefile("rb"):
                message = json.loads(line)
                self.heard.append(message)
                if message["type"] == "hello":
                    self.send(
                        self._welcome
                        if message["token"] == TOKEN
                        else {"type": "error", "code": "ERR_TRAINER", "message": "wrong token"}
                    )
                for reply in self._answer(message):
                    self.send(reply)
            self.connection.close()
        except (OSError, ValueError):
            pass
        except BaseException as problem:
            self.problem = problem


def welcome_of(**changes: Any) -> Message:
    """A welcome in train mode; `changes` replace its fields."""
    return {
        "mode": "train",
        "run": None,
        "shards": "/nowhere",
        "batches": 8,
        "everyBatches": 2,
        "checkpoints": None,
        "evaluation": {"rowTokens": 8, "tokensPerDomain": 64},
        "heartbeatSeconds": 5,
        "timeoutSeconds": 60,
        **changes,
    }


def minding(run: str) -> Callable[[Message], List[Message]]:
    """The answers of a host that keeps a run: each report is acted on in the run folder, each acknowledgement checked against the plan."""

    def answer(message: Message) -> List[Message]:
        if message["type"] == "ack":
            plan = Plan(read_schedule(run))
            assert message["served"] == plan.served_hash(plan.batch(message["batch"]))
        if message["type"] == "report":
            schedule = reweight(run, message["report"]).schedule
            return [
                {
                    "type": "stage",
                    "stages": len(schedule.stages),
                    "hash": schedule.hash,
                    "decidedUntil": schedule.end.batch,
                }
            ]
        return []

    return answer
