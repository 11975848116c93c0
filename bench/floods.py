"""Who is known cannot be told by time, and a flood of one hurts the others little (T30, T31, T130).

    python -m bench.floods

* sign-in: wrong passwords for known and unknown addresses in turns; medians, and the share of pairs in which
  the known one took longer (an even half when nobody can tell; the Mann-Whitney statistic by another name).
* hashing: 200 sign-ins at once, while somebody signed in goes on reading a page.
* one that takes all: a company's program asks the API from eight threads as fast as it is let, while another
  company's asks on; windows of flood and of quiet take turns.
"""

import http.client
import json
import random
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench import call, stack
from bench.call import PLANS, Stand
from bench.consoles import Console, Visitor, hire, visitors
from security.gate import Scope
from tenants import apikeys, users

_HOST = "127.0.0.1"
_KNOWN = 200
_WINDOWS = 6
_WINDOW_S = 5.0
_PATIENCE_S = 180
_addresses = count(1)


def main() -> None:
    """Run over a Seatline of our own and print the report."""
    with stack.ground(SWITCH_URL="simulator:") as own:
        own.start()
        stand = call.stand_of(own.place)
        try:
            consoles = hire(stand, _KNOWN)
            report = {
                "measure": "floods",
                "sign_in": known_and_unknown(stand, rounds=300),
                "hashing": hashing(stand, consoles[0]),
                "one_that_takes_all": taking_all(stand),
            }
        finally:
            stand.house.close()
    json.dump(report, sys.stdout, indent=2)


# --- signing in -----------------------------------------------------------------------------------


class Form:
    """The sign-in form, sent from an address of this machine's that nobody has used yet."""

    def __init__(self, port: int) -> None:
        self.port = port
        answer, body = self._ask("GET", None, {})
        cookie = answer.getheader("Set-Cookie") or ""
        found = re.search(rb'name="csrf-token" content="([^"]+)"', body)
        if found is None:
            message = "the sign-in page holds no form"
            raise RuntimeError(message)
        self.token, self.cookie = found[1].decode(), cookie.partition(";")[0]

    def send(self, email: str) -> tuple[float, int, bytes]:
        """Try a wrong password; return how many seconds the answer took, its status, and what it said."""
        form = {"csrf_token": self.token, "email": email, "password": "wrong horse battery staple"}
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        began = time.perf_counter()
        answer, body = self._ask("POST", urlencode(form), headers)
        return time.perf_counter() - began, answer.status, body.replace(email.encode(), b"")

    def _ask(
        self, method: str, body: str | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        number = next(_addresses)
        source = f"127.77.{number // 250}.{number % 250 + 1}"
        line = http.client.HTTPConnection(_HOST, self.port, timeout=_PATIENCE_S, source_address=(source, 0))
        try:
            line.request(method, "/sign-in", body=body, headers=headers)
            answer = line.getresponse()
            return answer, answer.read()
        finally:
            line.close()


def known_and_unknown(stand: Stand, *, rounds: int) -> dict[str, Any]:
    """Let both kinds take turns, each address of a kind as often as the other."""
    form = Form(_pages(stand))
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    bodies: set[bytes] = set()
    draw = random.Random(5)  # noqa: S311 - the order of a benchmark
    for turn in range(rounds):
        for kind in draw.sample(sorted(took), 2):
            name = "console" if kind == "known" else "nobody"
            seconds, _, body = form.send(f"{name}-{turn % _KNOWN}@bench.example")
            took[kind].append(seconds)
            bodies.add(body)
    known, unknown = (statistics.median(took[kind]) for kind in ("known", "unknown"))
    slower = sum((a > b) + 0.5 * (a == b) for a in took["known"] for b in took["unknown"]) / rounds**2
    return {
        "rounds": rounds,
        "known_ms": round(known * 1000, 2),
        "unknown_ms": round(unknown * 1000, 2),
        "difference": round(abs(known - unknown) / unknown, 4),
        "share_in_which_known_took_longer": round(slower, 4),
        "different_answers": len(bodies),
    }


def hashing(stand: Stand, console: Console) -> dict[str, Any]:
    """Two hundred sign-ins at once, and a page meanwhile."""
    page = next(one for one in visitors(stand, console, 0) if one.name == "portal: calls")
    form = Form(_pages(stand))
    quiet = _asked(page, lambda: len(page.took_ms) >= 150)
    with ThreadPoolExecutor(200) as crowd:
        sent = [crowd.submit(form.send, f"console-{n}@bench.example") for n in range(_KNOWN)]
        flooded = _asked(page, lambda: all(one.done() for one in sent))
    refused = sum(one.result()[1] == http.client.SERVICE_UNAVAILABLE for one in sent)
    return {
        "sign_ins": len(sent),
        "told_to_come_back": refused,
        "slowest_sign_in_s": round(max(one.result()[0] for one in sent), 2),
        "page": _beside(quiet, flooded),
    }


# --- one that takes all -----------------------------------------------------------------------------


def taking_all(stand: Stand) -> dict[str, Any]:
    """Windows in which one company floods the API, and windows in which it does not."""
    greedy, modest = (_program(stand, plan.dialled) for plan in PLANS[:2])
    quiet: list[float] = []
    flooded: list[float] = []
    asked = 0
    for _ in range(_WINDOWS):
        quiet += _for_a_while(modest)
        with _flood(greedy) as counted:
            flooded += _for_a_while(modest)
        asked += counted()
    return {"asked_by_the_greedy": asked, "windows": _WINDOWS, "modest": _beside(quiet, flooded)}


def _program(stand: Stand, dialled: str) -> Visitor:
    tenant_id = call.tenant_of(stand.house, dialled)
    with stand.house.gate.open(Scope.system(tenant_id)) as session:
        everyone = users.everyone(session, tenant_id=tenant_id, vault=stand.house.vault)
        owner = next(one.id for one in everyone if "tenant_owner" in one.roles)
        _, key = apikeys.make(
            session,
            tenant_id=tenant_id,
            name="bench floods",
            scopes=["calls.read"],
            made_by=owner,
            permissions=frozenset({"calls.read"}),
        )
    return Visitor("API: calls", _pages(stand), "/api/v1/calls", {"Authorization": f"Bearer {key}"})


@contextmanager
def _flood(visitor: Visitor) -> Iterator[Callable[[], int]]:
    over, asked = threading.Event(), count()

    def ask() -> None:
        line = http.client.HTTPConnection(_HOST, visitor.port, timeout=30)
        while not over.is_set():
            next(asked)
            try:
                line.request("GET", visitor.path, headers=visitor.headers)
                line.getresponse().read()  # most of these are told to come back later
            except (http.client.HTTPException, ConnectionError):
                line.close()
        line.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    try:
        yield lambda: next(asked)
    finally:
        over.set()
        for one in threads:
            one.join()


def _for_a_while(visitor: Visitor) -> list[float]:
    until = time.monotonic() + _WINDOW_S
    return _asked(visitor, lambda: time.monotonic() > until, pause_s=0.05)


def _asked(visitor: Visitor, is_over: Callable[[], bool], *, pause_s: float = 0.0) -> list[float]:
    """Ask until it is over; return what each took, in milliseconds."""
    visitor.took_ms.clear()
    while not is_over():
        visitor.ask()
        time.sleep(pause_s)
    return list(visitor.took_ms)


def _beside(quiet: list[float], flooded: list[float]) -> dict[str, Any]:
    def at(values: list[float], share: float) -> float:
        known = sorted(values)
        return known[min(len(known) - 1, int(len(known) * share))]

    return {
        "asked": {"quiet": len(quiet), "flooded": len(flooded)},
        **{
            name: {
                "quiet_ms": round(at(quiet, share), 2),
                "flooded_ms": round(at(flooded, share), 2),
                "ratio": round(at(flooded, share) / at(quiet, share), 2),
            }
            for name, share in (("p50", 0.5), ("p99", 0.99))
        },
    }


def _pages(stand: Stand) -> int:
    return urlsplit(stand.settings.public_url).port or 80


if __name__ == "__main__":
    main()
