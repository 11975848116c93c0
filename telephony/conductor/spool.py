"""The spool: every fact of every live call, on disk before the call may be bridged.

An append-only file per start of the switchboard; lines carry a sequence, and a writer thread fsyncs them in
groups, so that no event ever waits for a disk but the bridge waits for its own facts. After a crash the
facts are read back and each open call stands where it stood; a `done` line closes a call once its hang-up
transaction has been committed. The caller's number is sealed in here like everywhere. A file that has grown
is left for a new one that begins with the calls still open. While the disk is full or away, lines wait.
"""

import asyncio
import base64
import datetime as dt
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from core import log
from core.ids import CallId, new_id
from security.vault import Field, Vault
from telephony.calls import Arrival
from telephony.conductor import machine, outgoing
from telephony.conductor.books import after_commands
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Dial

_ARRIVAL = TypeAdapter(Arrival)
_DIAL = TypeAdapter(Dial)
_FACTS = {one.__name__: TypeAdapter(one) for one in Fact.__args__}
_Record = Callable[[], dict[str, Any]]  # made by the writer: sealing may ask the keystore
_Entry = tuple[_Record, asyncio.Future[None] | threading.Event]
_LARGE = 64 << 20
_PAUSE_S = 0.5
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the spool remembers of the last run: calls not closed, and the switch they were on."""

    calls: Sequence[LiveCall]
    switch_boot: str


class Spool:
    """One writer's spool in a folder of its own."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """Open a new file in `folder`; earlier files stay until `recover` has read them."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._vault = folder, vault
        self._file = folder / f"{new_id()}.jsonl"
        # None: the end; a path: from here on into a new file of that name
        self._lines: queue.SimpleQueue[_Entry | Path | None] = queue.SimpleQueue()
        self._written = 0
        self._due: list[_Entry] = []
        self._sequence = 0
        self._loop = asyncio.get_running_loop()
        self._descriptor = os.open(self._file, _FLAGS, 0o600)
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)
        self._thread.start()

    def begin(
        self,
        arrival: Arrival,
        channel: str,
        with_caller: Callable[[], Arrival] | None = None,
        *,
        dial: Dial | None = None,
    ) -> asyncio.Future[None]:
        """Write a new call; the future is done when it is on disk.

        Args:
            arrival: the call; its caller's number may still have to be read.
            channel: the caller's, on the switch.
            with_caller: then gives the same call with the number; asked by the writer.
            dial: of a call that goes out; it may be placed when the future is done, and never again.
        """

        def record() -> dict[str, Any]:
            safe = _ARRIVAL.dump_python(replace(arrival, caller=""), mode="json")
            known = with_caller() if with_caller else arrival
            if known.caller:
                safe["caller"] = self._sealed(known)
            begun = {"call": str(arrival.call_id), "begin": safe, "channel": channel}
            return begun | {"dial": _DIAL.dump_python(dial, mode="json")} if dial else begun

        return self._put(record)

    def fact(self, call_id: CallId, fact: Fact, position: int) -> asyncio.Future[None]:
        """Write one fact of a call and the timeline position it reached."""

        def record() -> dict[str, Any]:
            kind = type(fact).__name__
            body = _FACTS[kind].dump_python(fact, mode="json")
            return {"call": str(call_id), "fact": kind, "body": body, "position": position}

        return self._put(record)

    def proof(self, at: dt.datetime, calls: Sequence[CallId]) -> None:
        """Write that these calls were seen alive on the switch."""
        record = {"proof": at.isoformat(), "calls": [str(one) for one in calls]}
        self._put(lambda: record)

    def switch_boot(self, boot_id: str) -> None:
        """Write which start of the switch the following facts come from."""
        self._put(lambda: {"boot": boot_id})

    def done(self, call_id: CallId) -> None:
        """Write that a call's books are closed: it will not be recovered."""
        self._put(lambda: {"call": str(call_id), "done": True})

    def is_large(self) -> bool:
        """Return whether it is time to `compact`."""
        return self._written > _LARGE

    def compact(self, calls: Sequence[LiveCall], switch_boot: str) -> asyncio.Future[None]:
        """Go on in a new file that begins with the open calls; the old one goes when that is on disk."""
        self._hand_over()
        old, self._file = self._file, self._folder / f"{new_id()}.jsonl"
        self._lines.put(self._file)
        for call in calls:
            # a copy: the call goes on while the writer writes
            still = replace(
                call,
                instants=dict(call.instants),
                legs=list(call.legs),
                outsides=list(call.outsides),
                telephones=list(call.telephones),
            )
            self._lines.put((self._numbered(partial(self._summary, still)), threading.Event()))
        carried_over = self._put(lambda: {"boot": switch_boot})
        carried_over.add_done_callback(lambda _: old.unlink(missing_ok=True))
        return carried_over

    def recover(self) -> Recovered:
        """Read earlier files, return what was open, carry it over into this one and remove them."""
        calls: dict[str, LiveCall] = {}
        boot = ""
        older = sorted(one for one in self._folder.glob("*.jsonl") if one != self._file)
        for file in older:
            for line in file.read_text(encoding="utf-8").splitlines():
                record = _parse(line)
                boot = record.get("boot", boot)
                self._replay(calls, record)
        on_disk = threading.Event()
        for call in calls.values():
            self._lines.put((self._numbered(partial(self._summary, call)), threading.Event()))
        self._lines.put((self._numbered(lambda: {"boot": boot}), on_disk))
        on_disk.wait()
        for file in older:
            file.unlink()
        return Recovered(list(calls.values()), boot)

    def close(self) -> None:
        """Write what waits and close the file."""
        self._hand_over()
        self._lines.put(None)
        self._thread.join(timeout=10)

    def _replay(self, calls: dict[str, LiveCall], record: dict[str, Any]) -> None:
        if "proof" in record:
            at = dt.datetime.fromisoformat(record["proof"])
            for name in record["calls"]:
                if name in calls:
                    calls[name].proven_at = max(calls[name].proven_at, at)
            return
        name = record.get("call", "")
        if record.get("done"):
            calls.pop(name, None)
        elif "begin" in record:
            arrival, channel = self._arrival(record["begin"]), record["channel"]
            if "dial" in record:
                dial: Dial = _DIAL.validate_python(record["dial"])
                calls[name], _ = outgoing.begin(arrival, channel, dial)
            else:
                calls[name], _ = machine.begin(arrival, channel)
        elif "snapshot" in record:
            calls[name] = _SNAPSHOT.validate_python(record["snapshot"])
            calls[name].arrival = self._arrival(record["snapshot"]["arrival"])
        elif "fact" in record and name in calls:
            outgoing.step(calls[name], _FACTS[record["fact"]].validate_python(record["body"]))
            calls[name].position = record["position"]

    def _summary(self, call: LiveCall) -> dict[str, Any]:
        snapshot = _SNAPSHOT.dump_python(call, mode="json")
        snapshot["arrival"]["caller"] = (
            base64.b64encode(self._vault.seal(_caller(call.arrival), call.arrival.caller)).decode()
            if call.arrival.caller
            else ""
        )
        return {"call": str(call.call_id), "snapshot": snapshot}

    def _arrival(self, body: dict[str, Any]) -> Arrival:
        sealed = body["caller"]
        arrival: Arrival = _ARRIVAL.validate_python({**body, "caller": ""})
        if not sealed:
            return arrival
        return replace(arrival, caller=self._vault.open(_caller(arrival), base64.b64decode(sealed)))

    def _put(self, record: _Record) -> asyncio.Future[None]:
        written = self._loop.create_future()
        if not self._due:
            after_commands(self._loop, self._hand_over)
        self._due.append((self._numbered(record), written))
        return written

    def _numbered(self, record: _Record) -> _Record:
        self._sequence += 1
        number = self._sequence
        return lambda: {"seq": number, **record()}

    def _hand_over(self) -> None:
        due, self._due = self._due, []
        for entry in due:
            self._lines.put(entry)

    def _write(self) -> None:
        while True:
            batch = [self._lines.get()]
            while not self._lines.empty():
                batch.append(self._lines.get())
            entries: list[_Entry] = []
            for one in batch:
                if isinstance(one, tuple):
                    entries.append(one)
                    continue
                self._append(entries)
                entries = []
                os.close(self._descriptor)
                if one is None:
                    return
                self._descriptor, self._written = os.open(one, _FLAGS, 0o600), 0
            self._append(entries)

    def _append(self, entries: Sequence[_Entry]) -> None:
        """Write lines and tell who waits for them; again while the disk will not have them."""
        if not entries:
            return
        text = "".join(f"{json.dumps(made())}\n" for made, _ in entries).encode()
        is_away = False
        while True:
            try:
                # after a torn line the next begins on its own: a torn one says nothing when it is read
                os.write(self._descriptor, b"\n" + text if is_away else text)
                os.fsync(self._descriptor)
            except OSError as error:
                if not is_away:
                    _log.error("spool-does-not-write", error=error.errno)
                is_away = True
                time.sleep(_PAUSE_S)
            else:
                self._written += len(text)
                self._tell([told for _, told in entries])
                return

    def _sealed(self, arrival: Arrival) -> str:
        """Return the caller sealed; without a key at hand the call is kept as one from a withheld number."""
        try:
            return base64.b64encode(self._vault.seal(_caller(arrival), arrival.caller)).decode()
        except SQLAlchemyError as error:
            _log.warning("caller-not-kept", error=type(error).__name__)
            return ""

    def _tell(self, told: Sequence[asyncio.Future[None] | threading.Event]) -> None:
        futures = []
        for one in told:
            if isinstance(one, threading.Event):
                one.set()
            else:
                futures.append(one)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, futures)


_SNAPSHOT = TypeAdapter(LiveCall)


def _caller(arrival: Arrival) -> Field:
    return Field(arrival.tenant_id, "spool", "caller", arrival.call_id, 1)


def _parse(line: str) -> dict[str, Any]:
    """Return one record; a line torn by a crash is the last of its file and says nothing."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return record


def _resolve(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
