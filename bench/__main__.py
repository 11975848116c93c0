"""`make bench`: every measurement, one after the other, and docs/benchmarks.md written from them.

    python -m bench                 # all of them; several take minutes
    python -m bench pop start       # some: the page keeps what it says of the others

Each runs in a process of its own, on servers of its own. Goals stand here, once; a goal that is missed is
written down with its ratio and its cause, and ends nothing: this is a report and not a check.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from core import clock
from launch import choices, layout
from launch.choices import CHECKOUT
from launch.parts import asterisk, chromium, postgres

PAGE = CHECKOUT / "docs" / "benchmarks.md"
KEPT = CHECKOUT / "docs" / "benchmarks.json"
_LIMIT_S = 3600
# the size of the month whose closing stands beside one GROUP BY; the others tell its slope
_CLOSED_EVENTS = 1_000_000
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted, what was measured, and what stands in the way when it was missed."""

    wanted: str
    measured: str
    is_met: bool
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: how it is run and how it reads; one that prints no JSON is shown as it is."""

    title: str
    words: tuple[str, ...]
    tells: Callable[[Report], list[str]]
    goals: Callable[[Report], list[Goal]]

    @property
    def command(self) -> str:
        """What a person types to run it alone."""
        return "python -m " + " ".join(self.words)


# --- how each reads -------------------------------------------------------------------------------


_RING_CAUSE = (
    "our decision is taken in another process: an event leaves Asterisk over its websocket, our loop is"
    " woken, and the request that rings comes back the same way, while Queue() decides in the channel's own"
    " thread. The bare router on the same driver (`--ours bench.first_ring:BareRouter`) shows the floor; the"
    " time above it is the decision itself, cold after each pause, and the header that names the offer."
)


def _first_ring_parts(report: Report) -> list[tuple[str, Report]]:
    """Return what was compared, each with its name; the main scenario last."""
    parts = [
        (f"{of['agents']:,} agents, {of['free']} free, one after the other", of["sequential"])
        for of in (report["ten"], report["one_free"], report["main"])
    ]
    main = report["main"]
    paced = f"{main['paced']['calls_a_second_each']:g} a second in each arm"
    return [*parts, (f"{main['agents']:,} agents, {main['free']} free, {paced}", main["paced"])]


def _first_ring(report: Report) -> list[str]:
    lines = [
        "| calls | arm | n | median ms | p95 ms | p99 ms | max ms | never rang |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, part in _first_ring_parts(report):
        for arm, who in (("ours", "Seatline's switchboard"), ("queue", "Asterisk's Queue()")):
            of = part[arm]
            lines.append(
                f"| {name} | {who} | {of['calls']} | {of['median_ms']} | {of['p95_ms']} | {of['p99_ms']}"
                f" | {of['max_ms']} | {of['never_rang']} |"
            )
    return lines


def _first_ring_goals(report: Report) -> list[Goal]:
    goals, parts = [], _first_ring_parts(report)
    for name, of in parts:
        ratio, more = of["median_ratio"], of["median_difference_ms"]
        tail = "p99" if of is parts[-1][1] else "p95"
        goals += [
            Goal(
                f"first ring, {name}: median ≤ 1.25 × Queue() or ≤ +1 ms",
                f"{ratio} ×, {more:+} ms",
                is_met=ratio <= 1.25 or more <= 1.0,
                cause=_RING_CAUSE,
            ),
            Goal(
                f"first ring, {name}: {tail} ≤ 1.0 × Queue()",
                f"{of[f'{tail}_ratio']} ×",
                is_met=of[f"{tail}_ratio"] <= 1.0,
                cause="as above; and in the tail our way waits twice for a processor that others hold.",
            ),
        ]
    growth = report["growth"]
    return [
        *goals,
        Goal(
            "first ring, 10 to 1,500 agents: our median grows ≤ 1.1 ×",
            f"{growth['ours']} × (Queue(): {growth['queue']} ×)",
            is_met=growth["ours"] <= 1.1,
            cause="more agents are looked through, and kept warm less.",
        ),
    ]


def _pop(report: Report) -> list[str]:
    lines = ["| | min ms | median ms | p95 ms | p99 ms | max ms |", "|---|--:|--:|--:|--:|--:|"]
    for name, key in (
        ("offer heard to record painted", "offer_to_painted_ms"),
        ("INVITE heard to ring", "invite_to_ring_ms"),
    ):
        of = report[key]
        lines.append(f"| {name} | {of['min']} | {of['median']} | {of['p95']} | {of['p99']} | {of['max']} |")
    most_ms = report["most_the_ring_may_be_held_ms"]
    words = (
        f"{report['popped_before_the_ring']} of {report['calls']} calls to {report['agents']} agents popped"
        f" before they rang. The ring is held for the pop, but for {most_ms:.0f} ms at most."
        " Both browsers, their callers and the whole of Seatline share this machine."
    )
    return [*lines, "", words]


def _pop_goals(report: Report) -> list[Goal]:
    return [
        Goal(
            "pop painted before the ring: ≥ 99.9 % of calls",
            f"{100 * report['share']:.1f} % of {report['calls']}",
            is_met=report["share"] >= 0.999,
            cause="browsers and servers shared the machine's processors with whatever else ran on it.",
        )
    ]


_ARMS = {
    "bare": "a bare event stream, told by Redis",
    "handed": "our live process, told by Redis",
    "change": "a change of state, from the switchboard's decision",
    "written": "the same, told again when its row is committed",
    "order": "the same, from the order's row on",
}


def _consoles(report: Report) -> list[str]:
    held = f"{report['consoles']} consoles held a live stream each, and as many a bare one"
    words = f"{held}, for {report['rounds']} rounds in which each arm had its turn."
    lines = [
        words,
        "",
        "| to the console | n | p50 ms | p95 ms | p99 ms | max ms |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, words in _ARMS.items():
        of = report["to_the_console_ms"][name]
        lines.append(f"| {words} | {of['n']} | {of['p50']} | {of['p95']} | {of['p99']} | {of['max']} |")
    lines += [
        "",
        "| request, meanwhile | n | p50 ms | p95 ms | p50 × bare | p95 × bare | bytes |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, of in report["requests_ms"].items():
        lines.append(
            f"| {name} | {of['n']} | {of['p50']} | {of['p95']} | {of['p50_ratio']} | {of['p95_ratio']}"
            f" | {of['bytes']} |"
        )
    if "first_mib" in report:
        first, grown = (
            sum(mib for mib in report[name].values() if mib > 0) for name in ("first_mib", "grown_mib")
        )
        most = ", ".join(f"{name} {mib}" for name, mib in _heaviest(report["grown_mib"]))
        words = (
            f"Processes grew {first:.1f} MiB with the first fifth of the consoles, which warms them up,"
            f" and {grown:.1f} MiB with the others ({most}): {report['kib_per_console']} KiB each."
        )
        lines += ["", words]
    return lines


def _heaviest(mib: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(mib.items(), key=lambda one: -one[1])[:3]


def _consoles_goals(report: Report) -> list[Goal]:
    ratio = report["change_p99_ratio"]
    weighs = report.get("kib_per_console")  # reports made before it was measured have none
    weight = [
        Goal(
            "a console that listens: ≤ 27 KB of all processes",
            f"{1.024 * weighs:.1f} KB",
            is_met=1.024 * weighs <= 27,
            cause="the live process holds 24 of them, of which the server, asked by an application that does"
            " nothing, holds 16 (a greenlet, a socket, a request). The rest are PostgreSQL's shared buffers:"
            " they fill while sessions are looked up, and are counted, though no console's own.",
        )
        for weighs in ([weighs] if weighs is not None else [])
    ]
    return [
        *weight,
        Goal(
            "state change → console: p99 ≤ 5 × a bare event stream",
            f"{ratio} ×",
            is_met=ratio <= 5,
            cause="waits for a processor: a change passes three processes of ours"
            " and Valkey, a bare one one, and all of them, PostgreSQL and the clients share the machine.",
        ),
    ]


def _start(report: Report) -> list[str]:
    warm = report["warm_s"]
    words = (
        f"Cold (empty state folder, parts unpacked): {report['cold_s']} s."
        f" Warm: median {warm['median']} s ({warm['min']}-{warm['max']}, n = {warm['starts']})."
        f" Load before each: {', '.join(str(one) for one in report['load_1min'])}."
    )
    lines = [
        words,
        "",
        "| part | processes | PSS MiB |",
        "|---|--:|--:|",
    ]
    for name, of in report["memory_mib"].items():
        lines.append(f"| {name} | {of['processes']} | {of['pss']} |")
    return [*lines, f"| **all** | | **{report['memory_in_all_mib']}** |"]


def _start_goals(report: Report) -> list[Goal]:
    warm_s = report["warm_s"]["median"]
    return [Goal("second start under 10 s", f"{warm_s} s ({warm_s / 10:.2f} ×)", is_met=warm_s < 10)]


_LEADS_CAUSE = (
    "parsing a number and finding its zone (phonenumbers) takes most of it, then the seal with a key of its"
    " own for each person, then the row with its indexes behind the fence; the floor does none of these."
)


def _leads(report: Report) -> list[str]:
    in_all = round(report["read_s"] + report["upload_and_preview_s"] + report["unpack_s"], 1)
    lines = ["| arm | rows | rows/s | seconds |", "|---|--:|--:|--:|"]
    for arm, rate, seconds in (
        ("read into sealed leads", report["rows_per_s"], report["read_s"]),
        ("with upload, preview and unpacking", report["rows_per_s_in_all"], in_all),
        (f"floor: {report['floor_is']}", report["floor_rows_per_s"], report["floor_s"]),
    ):
        lines.append(f"| {arm} | {report['rows']} | {rate} | {seconds} |")
    words = (
        f"The file has {report['file_mib']} MiB: {report['accepted']} leads,"
        f" {report['duplicates']} duplicates, {report['bad']} bad rows. The process held"
        f" {report['memory_before_mib']} MiB before and {report['memory_peak_mib']} MiB at its peak, both"
        f" arms in it. {report['ratio']} × the floor: {_LEADS_CAUSE}"
    )
    return [*lines, "", words]


def _fence(report: Report) -> list[str]:
    words = (
        f"{report['rows']} rows of {report['tenants']} tenants, {report['rounds']} rounds. Entering a"
        f" tenant's context took {report['enter_ms']} ms, once for a transaction."
    )
    lines = [
        words,
        "",
        "| question | fenced ms | open ms | ratio | same plan |",
        "|---|--:|--:|--:|---|",
    ]
    for name, of in report["questions"].items():
        same = "yes" if of["is_same_plan"] else "**no**"
        lines.append(f"| {name} | {of['fenced_ms']} | {of['open_ms']} | {of['ratio']} | {same} |")
    return lines


def _fence_goals(report: Report) -> list[Goal]:
    worst = max(of["ratio"] for of in report["questions"].values())
    same = all(of["is_same_plan"] for of in report["questions"].values())
    return [
        Goal(
            "row security: median ≤ 1.10 × without, and the same plans",
            f"up to {worst} ×, plans {'agree' if same else 'differ'}",
            is_met=worst <= 1.10 and same,
            cause="each statement asks once where it stands, in a sub-select of its own that is set up and"
            " taken down (some 10 µs), which a question of 0.1 ms feels; what it reads is signed by nobody"
            " (docs/adr/0048).",
        )
    ]


def _lookup(report: Report) -> list[str]:
    if "ratios" not in report:
        return _as_it_is(report)  # of before it was told in figures
    per_second = report["per_second"]
    words = (
        f"{report['customers']} customers, {report['rounds']} look-ups an arm. One thread seals"
        f" {per_second['sealed']} values a second and opens {per_second['opened']}."
    )
    return [
        words,
        "",
        "| way, arm | p50 | p99 |",
        "|---|--:|--:|",
        *(f"| {name} | {half} ms | {most} ms |" for name, (half, most) in report["ms"].items()),
        *(f"| {name} | {half} × | {most} × |" for name, (half, most) in report["ratios"].items()),
    ]


def _lookup_goals(report: Report) -> list[Goal]:
    if "ratios" not in report:
        return []  # of before it was told in figures
    whole, bare = (report["ratios"][f"{way}, sealed to plain"][0] for way in ("transaction", "bare"))
    cause = (
        "the statement takes as long as the plain one; the rest is the index's key and five values that are"
        " opened, each under a key of its own (HKDF, then AES: two thirds of its 6-8 µs). One derivation for"
        " a row would spare four of five, and change the form of every sealed value."
    )
    return [
        Goal("sealed look-up as a whole request ≤ 1.15 × plaintext", f"{whole} ×", whole <= 1.15, cause),
        Goal("sealed look-up, bare ≤ 1.8 × plaintext", f"{bare} ×", bare <= 1.8, cause),
    ]


def _beside(name: str, of: Report) -> list[str]:
    return [
        f"| {name} {share} | {of[share]['quiet_ms']} | {of[share]['flooded_ms']} | {of[share]['ratio']} |"
        for share in ("p50", "p99")
    ]


def _floods(report: Report) -> list[str]:
    signing, hashing, taking = report["sign_in"], report["hashing"], report["one_that_takes_all"]
    first = (
        f"A wrong password for a known address took {signing['known_ms']} ms, for an unknown one"
        f" {signing['unknown_ms']} ms (medians of {signing['rounds']} each, in turns); the known one took"
        f" longer in {100 * signing['share_in_which_known_took_longer']:.1f} % of all pairs, and"
        f" {signing['different_answers']} different answer was seen."
    )
    second = (
        f"{hashing['sign_ins']} sign-ins at once: the last was answered after"
        f" {hashing['slowest_sign_in_s']} s, {hashing['told_to_come_back']} were told to come again. One"
        f" company's program asked {taking['asked_by_the_greedy']} times in {taking['windows']} windows of"
        " five seconds."
    )
    lines = [first, "", second, "", "| | quiet ms | flooded ms | ratio |", "|---|--:|--:|--:|"]
    lines += _beside("a page under 200 sign-ins,", hashing["page"])
    return lines + _beside("the API for another company,", taking["modest"])


def _floods_goals(report: Report) -> list[Goal]:
    told = report["sign_in"]["difference"]
    page, other = (
        report["hashing"]["page"]["p99"]["ratio"],
        report["one_that_takes_all"]["modest"]["p99"]["ratio"],
    )
    crowd = (
        "two processors hash, serve and make the two hundred clients; six of a process's threads may wait to"
        " hash, the others are told to come again."
    )
    flood = (
        "two processors serve and make the clients; what is beyond a company's limit is refused, and each"
        " refusal is a request all the same."
    )
    return [
        Goal("known and unknown addresses: medians within 5 %", f"{100 * told:.1f} %", is_met=told < 0.05),
        Goal("a page's p99 under 200 sign-ins ≤ 2 ×", f"{page} ×", is_met=page <= 2, cause=crowd),
        Goal("another company's p99 in a flood ≤ 1.2 ×", f"{other} ×", is_met=other <= 1.2, cause=flood),
    ]


def _patterns(report: Report) -> list[str]:
    slow = ", ".join(f"{one['place']} ({one['ms']} ms)" for one in report["slower_than_linear"]) or "none"
    words = (
        f"{report['patterns']} patterns; the longest took {report['longest_ms']} ms for {report['signs']}"
        f" signs; slower than linear: {slow}."
    )
    return [words]


def _patterns_goals(report: Report) -> list[Goal]:
    longest = report["longest_ms"]
    is_met = longest < 50 and not report["slower_than_linear"]
    return [Goal("no pattern takes 50 ms, none is slower than linear", f"{longest} ms", is_met=is_met)]


def _recovery(report: Report) -> list[str]:
    shares = report["shares"]
    ends, away = report["end_apart_ms"], report["end_of_who_hung_up_meanwhile_ms"]
    causes = ", ".join(f"{count} {cause}" for cause, count in report["causes"].items())
    return [
        (
            f"{report['calls']} calls were up: {shares['talking']} talked, {shares['held']} were on hold,"
            f" {shares['ringing']} rang at an agent, {shares['waiting']} waited."
        ),
        "",
        "| | |",
        "|---|--:|",
        f"| killed to the ring of a caller who waited | {report['rings_s']['waited']} s |",
        f"| killed to the ring of a newcomer | {report['rings_s']['newcomer']} s |",
        f"| dropped | {report['dropped'] + report['dropped_later']} |",
        (
            f"| longest silence in {report['listened_to']} calls that were listened to"
            f" | {report['longest_silence_ms']} ms |"
        ),
        f"| with a record, of {report['calls']} calls ({causes}) | {report['recorded']} |",
        f"| billed once, for their talk, of {report['talked']} that talked | {report['billed_once']} |",
        f"| end of a call in the books, beside the agent's phone | {ends['least']} to {ends['most']} ms |",
        (
            "| the same, of who hung up while nobody conducted"
            f" | {', '.join(f'{one} ms' for one in sorted(away))} |"
        ),
    ]


def _recovery_goals(report: Report) -> list[Goal]:
    took, dropped = report["routes_again_s"], report["dropped"] + report["dropped_later"]
    recorded, billed = report["recorded"], report["billed_once"]
    of, talked = report["calls"], report["talked"]
    return [
        Goal(
            f"kill -9 of the switchboard with {of} calls up: it routes again within 3 s",
            f"{took} s",
            is_met=took <= report["goal_s"],
            cause="callers, phones, switch and switchboard shared the processors with whatever else ran.",
        ),
        Goal("the same: no call dropped", f"{dropped} dropped", is_met=not dropped),
        Goal(
            "the same: each call recorded, and billed once for its talk",
            f"{recorded} of {of}, {billed} of {talked}",
            is_met=recorded == of and billed == talked,
        ),
    ]


def _routing(report: Report) -> list[str]:
    us = report["decision_us"]
    words = (
        f"{report['seats']} seats of {report['companies']} companies with {report['queues_each']} queues"
        f" each, {report['free']} of them free; {report['rounds']} rounds. A call that comes, is given to an"
        f" agent and leaves them free again took {us['board']} µs on the board, {us['redis_lua']} µs by two"
        f" turns to Redis; asking every free agent about it, {us['reading_all']} µs."
    )
    return [words]


def _routing_goals(report: Report) -> list[Goal]:
    ratio = report["ratio"]
    return [Goal("routing decisions/s ≥ 1.0 × one Redis Lua decision", f"{ratio} ×", is_met=ratio >= 1)]


def _weight(report: Report) -> list[str]:
    lines = ["| who | page | first visit, KB | again, KB |", "|---|---|--:|--:|"]
    for one in report["pages"]:
        first, again = one["first"] / 1024, one["again"] / 1024
        lines.append(f"| {one['who']} | {one['page']} | {first:.1f} | {again:.1f} |")
    return lines


def _weight_goals(report: Report) -> list[Goal]:
    most = report["heaviest"]["first"]
    measured = f"{most / 1024:.1f} KB ({report['heaviest']['page']})"
    return [Goal("each page ≤ 130 KB compressed", measured, is_met=most <= report["most"])]


def _models(report: Report) -> list[str]:
    words = (
        f"{report['calls']} calls of {report['hours']} h at {report['seats']} seats, load {report['load']},"
        f" the same for each model; five days simulated in {report['took_s']} s. Away: answered by another"
        " queue's or region's agents."
    )
    lines = [
        words,
        "",
        "| model | within 20 s | worst group | VIP | mean answer s | given up | utilisation | away |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, of in report["models"].items():
        lines.append(
            f"| {name} | {of['service_level']} % | {of['worst_group']} % | {of['vip']} % | {of['answer_s']}"
            f" | {of['abandoned']} % | {of['utilisation']} % | {of['away']} % |"
        )
    return lines


def _models_goals(report: Report) -> list[Goal]:
    closed = report["gap_closed"]
    return [
        Goal(
            "progressive closes ≥ 66 % of the gap in abandonment between fixed and pooled",
            f"{100 * closed:.0f} %",
            is_met=closed >= 0.66,
        )
    ]


def _rating_goals(report: Report) -> list[Goal]:
    if "whole_rows_per_s" not in report:
        return []  # of before both tables' rows were what the bare COPY brings
    kernel, ratio = report["kernel"]["columns_calls_per_cpu_s"], report["ratio_to_bare_copy"]
    served = report["ratio_to_bare_copy_server_cpu"]
    return [
        Goal("rating in columns ≥ 4,000,000 calls/s of a core", f"{kernel:,}", is_met=kernel >= 4_000_000),
        Goal(
            "rated at ingest, once only, ≥ 0.5 × a bare COPY of the rated rows",
            f"{ratio} × by the wall, {served} × by PostgreSQL's processor time",
            is_met=ratio >= 0.5,
            cause="a row costs us half of what it costs PostgreSQL (hashing, rating, packing), which passes"
            " beside it only where two processors are free; the bare COPY is given its bytes ready.",
        ),
    ]


_CLOSING_CAUSE = (
    "the GROUP BY reads one table once, in one statement for everybody. A transaction has one company, so"
    " closing takes two of each, one that drafts and one that freezes; each enters the company's walls, adds"
    " its charges up and is synced to disk, and that alone is the `floor`, which no statement saved brings"
    " down. Above it stand what a bill is made of and what is made of it, each in one statement: account,"
    " heads of its invoices, tariffs, terms, counts of service, bounds; head, lines, taxes, number, event and"
    " evidence."
)


def _closing_goals(report: Report) -> list[Goal]:
    at = next((of for of in report["sizes"] if of["events"] == _CLOSED_EVENTS), report["sizes"][-1])
    ratio, floors = (at.get(name) for name in ("close_ratio", "close_ratio_to_floor"))
    slope, preview_ms = max(report["slopes"], default=None), report["preview_of_100000_ms"]
    goals = [
        Goal(
            f"closing {at['events']:,} events for {report['companies']} companies ≤ 1.5 × one GROUP BY",
            f"{ratio} ×" + (f"; {floors} × its floor" if floors else ""),
            is_met=ratio <= 1.5,
            cause=_CLOSING_CAUSE,
        ),
        Goal("preview of a bill of 100,000 events ≤ 300 ms", f"{preview_ms} ms", is_met=preview_ms <= 300),
    ]
    if slope is not None:
        goals.append(Goal("slope of closing in its events ≤ 1.05", f"{slope}", is_met=slope <= 1.05))
    return goals


def _running_goals(report: Report) -> list[Goal]:
    p99 = report["hang_up_to_running_bill_ms"].get("p99", math.inf)
    undone = report.get("not_recorded", 0) + report.get("not_on_a_bill", 0)
    return [
        Goal(
            f"hang-up to the running bill at {report['calls_a_second']} calls/s: p99 ≤ 200 ms",
            f"{p99} ms" + (f", and {undone} calls not done when it ended" if undone else ""),
            is_met=p99 <= 200 and not undone,
            cause="calls, readers of bills and PostgreSQL share the processors with whatever else ran.",
        )
    ]


def _as_it_is(report: Report) -> list[str]:
    return ["```", report["text"] if "text" in report else json.dumps(report, indent=2), "```"]


def _none(_report: Report) -> list[Goal]:
    return []


MEASUREMENTS = {
    "first_ring": Measurement(
        "INVITE in to the agent's INVITE out, beside Asterisk's Queue()",
        ("bench.first_ring", "--calls", "100"),
        _first_ring,
        _first_ring_goals,
    ),
    "pop": Measurement("The pop before the ring", ("bench.pop", "--calls", "60"), _pop, _pop_goals),
    "consoles": Measurement("1,500 consoles that listen", ("bench.consoles",), _consoles, _consoles_goals),
    "recovery": Measurement(
        "The switchboard is killed with 100 calls up", ("bench.recovery",), _recovery, _recovery_goals
    ),
    "start": Measurement("Start and memory", ("bench.start",), _start, _start_goals),
    "leads": Measurement("Importing leads", ("bench.leads",), _leads, _none),
    "rating": Measurement("Rating", ("bench.rating", "1000000"), _as_it_is, _rating_goals),
    "closing": Measurement(
        "Closing a month",
        ("bench.closing", "200", "100000", "1000000", "10000000", "--limit", "3000"),
        _as_it_is,
        _closing_goals,
    ),
    "rerating": Measurement("Rating again", ("bench.rerating", "1000000"), _as_it_is, _none),
    "running": Measurement("The running bill", ("bench.running",), _as_it_is, _running_goals),
    "fence": Measurement("Row security", ("bench.fence", "100000", "1500"), _fence, _fence_goals),
    "floods": Measurement("Floods, and who is known", ("bench.floods",), _floods, _floods_goals),
    "weight": Measurement("Bytes per page", ("bench.weight",), _weight, _weight_goals),
    "patterns": Measurement("Patterns", ("bench.patterns",), _patterns, _patterns_goals),
    "routing": Measurement("A routing decision", ("bench.routing",), _routing, _routing_goals),
    "models": Measurement("Traffic models, simulated", ("bench.models",), _models, _models_goals),
    "lookup": Measurement(
        "Looking a caller up, sealed beside plain", ("bench.lookup", "10000", "2000"), _lookup, _lookup_goals
    ),
}


# --- running and writing --------------------------------------------------------------------------


def main() -> int:
    """Run what is asked for and write the page; exit status 1 when a measurement could not be made."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], help="which; all when left out")
    names = parser.parse_args().names or list(MEASUREMENTS)
    kept: dict[str, Report] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    failed = []
    for name in names:
        sys.stderr.write(f"bench: {MEASUREMENTS[name].command}\n")
        try:
            kept[name] = measure(MEASUREMENTS[name])
        except (subprocess.SubprocessError, ValueError) as error:
            failed.append(name)
            sys.stderr.write(f"bench: {name} could not be measured: {error}\n")
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")
    sys.stderr.write(f"bench: {PAGE.relative_to(CHECKOUT)} is written\n")
    return 1 if failed else 0


def measure(one: Measurement) -> Report:
    """Run one measurement and return what it printed, with when, where and under which load.

    Raises:
        subprocess.SubprocessError: it failed or took too long.
    """
    load, began = os.getloadavg()[0], time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *one.words],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    try:
        report: Report = json.loads(done.stdout)
    except ValueError:
        done.check_returncode()
        report = {"text": done.stdout.strip()}
    return {
        "run": {
            "at": clock.now().isoformat(timespec="seconds"),
            "took_s": round(time.monotonic() - began),
            "load_before": round(load, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "machine": _machine(),
        },
        "report": report,
    }


def page(kept: dict[str, Report]) -> str:
    """Return docs/benchmarks.md."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; the raw figures stand in `benchmarks.json` beside this page. Arms that are",
        "compared took turns in the same run, so that what else the machine did fell on both; a figure of",
        "one run is not comparable with that of another. Load is the one-minute average.",
        "",
        "## Goals",
        "",
        "| goal | measured | |",
        "|---|---|---|",
    ]
    causes = []
    for name, one in MEASUREMENTS.items():
        for goal in one.goals(kept[name]["report"]) if name in kept else []:
            lines.append(f"| {goal.wanted} | {goal.measured} | {'met' if goal.is_met else '**missed**'} |")
            if not goal.is_met and goal.cause:
                causes.append(f"* {goal.wanted}: {goal.cause}")
    if causes:
        lines += ["", "Missed, and why:", "", *causes]
    for name, one in MEASUREMENTS.items():
        if name in kept:
            lines += ["", f"## {one.title}", "", _head(one, kept[name]["run"]), ""]
            lines += one.tells(kept[name]["report"])
    return "\n".join(lines) + "\n"


def _head(one: Measurement, run: Report) -> str:
    machine = run["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"`{one.command}`, {run['at']}, {run['took_s']} s; load {run['load_before']} before and"
        f" {run['load_after']} after; {machine['cpus']} processors, {machine['memory_gib']} GiB; {versions}."
    )


def _machine() -> Report:
    place = layout.find(choices.read())
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "versions": {
            "Python": platform.python_version(),
            **_parts(place.parts),
            **{name: version(name) for name in ("SQLAlchemy", "Flask", "psycopg", "websockets")},
        },
    }


def _parts(parts: Path) -> dict[str, str]:
    """Return the versions of the parts that are not ours."""
    server, tree, browser = postgres.find(parts), asterisk.find(parts), chromium.find(parts)
    return {
        name: number
        for name, number in (
            ("PostgreSQL", server.version if server else ""),
            ("Asterisk", asterisk.version_of(tree) if tree else ""),
            ("Chromium", _chromium(browser) if browser else ""),
        )
        if number
    }


def _chromium(program: Path) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    return next((word for word in said.stdout.split() if word[0].isdigit()), "")


if __name__ == "__main__":
    sys.exit(main())
