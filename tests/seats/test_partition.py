"""The partition against a model: an array of seconds, painted by whatever is reported.

Reports come late, twice, all over again, and die in the middle of their transaction; the seconds of the
database must be the seconds of the array, each in exactly one state with one payer.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core import clock
from core.ids import TenantId, new_id
from seats import presence, rules
from seats.errors import BeforeShiftError, CallInHandError, IllegalTransitionError
from security.gate import Gate
from security.vault import Vault
from tests.seats.factory import ON_FLOOR, hired

BEGIN = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)
HORIZON = 4000
CALLS = (new_id(), new_id())
STATES = [
    "available",
    "offline",
    "away:meal",
    "away:break",
    "reserved",
    "ringing",
    "dialling",
    "talking",
    "holding",
    "wrap_up",
]


Moment = tuple[str, TenantId | None, UUID | None]


class CrashError(Exception):
    """The process dies here."""


@dataclass(frozen=True)
class Report:
    state: str
    second: int
    payer: TenantId | None
    call: UUID | None
    event_id: UUID

    @property
    def moment(self) -> Moment:
        return (self.state, self.payer, self.call)


def at(second: int) -> dt.datetime:
    return BEGIN + dt.timedelta(seconds=second)


def floor(gate: Gate, vault: Vault, payers: tuple[TenantId, ...]) -> type[RuleBasedStateMachine]:
    """Return a machine over this test's own database; each run hires an agent of its own."""

    class Floor(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.agent = hired(gate, vault).id
            self.out: Moment = (presence.SIGNED_OUT, None, None)
            self.seconds: list[Moment] = [self.out] * HORIZON
            self.last = 0  # where the present row begins
            self.shift_began: int | None = None
            self.shift_ended = 0
            self.spool: list[Report] = []

        @property
        def present(self) -> Moment:
            return self.seconds[-1]

        def paint(self, second: int, moment: Moment) -> None:
            self.seconds[second:] = [moment] * (HORIZON - second)
            self.last = second

        def send(self, report: Report, *, crash: bool = False) -> bool:
            with gate.open(ON_FLOOR) as session:
                changed = presence.enter(
                    session,
                    agent_id=self.agent,
                    state=report.state,
                    at=at(report.second),
                    payer_tenant_id=report.payer,
                    subject_ref=report.call,
                    event_id=report.event_id,
                ).changed
                if crash:
                    raise CrashError
            return changed

        @precondition(lambda self: self.shift_began is None)
        @rule(pause=st.integers(-5, 40))
        def sign_in(self, pause: int) -> None:
            second = max(0, self.shift_ended + pause)
            with gate.open(ON_FLOOR) as session:
                found = presence.sign_in(session, agent_id=self.agent, at=at(second))
            if not found.changed:  # the very sign-in of an earlier shift, again
                return
            began = max(second, self.shift_ended)
            self.shift_began = began
            self.paint(began, ("away:signed-in", None, None))

        @precondition(lambda self: self.shift_began is not None)
        @rule(pause=st.integers(0, 40), force=st.booleans())
        def sign_out(self, pause: int, force: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
            second = self.last + pause
            busy = rules.activity(self.present[0]) in rules.CALL_IN_HAND
            with gate.open(ON_FLOOR) as session:
                if busy and not force:
                    with pytest.raises(CallInHandError):
                        presence.sign_out(session, agent_id=self.agent, at=at(second))
                    return
                assert presence.sign_out(session, agent_id=self.agent, at=at(second), force=force)
            self.paint(second, self.out)
            self.shift_began, self.shift_ended = None, second

        @precondition(lambda self: self.shift_began is not None)
        @rule(
            state=st.sampled_from(STATES),
            pause=st.integers(-8, 40),
            payer=st.sampled_from((None, *payers)),
            call=st.sampled_from(CALLS),
            crash=st.booleans(),
        )
        def report(
            self,
            state: str,
            pause: int,
            payer: TenantId | None,
            call: UUID | None,
            crash: bool,  # noqa: FBT001 - drawn by Hypothesis
        ) -> None:
            activity = rules.activity(state)
            if activity not in rules.WORKING:
                call = None
            if activity in {rules.Activity.AWAY, rules.Activity.OFFLINE}:
                payer = None
            assert self.shift_began is not None
            report = Report(state, max(0, self.last + pause), payer, call, new_id())
            if report.second < self.shift_began:
                with pytest.raises(BeforeShiftError):
                    self.send(report)
                return
            if not self.legal(report):
                with pytest.raises(IllegalTransitionError):
                    self.send(report)
                return
            if crash:
                with pytest.raises(CrashError):
                    self.send(report, crash=True)
            assert self.send(report) is (report.moment != self.present)
            self.spool.append(report)
            self.paint(max(report.second, self.last), report.moment)

        def legal(self, report: Report) -> bool:
            try:
                rules.check_transition(
                    state=self.present[0],
                    subject_ref=self.present[2],
                    next_state=report.state,
                    next_subject_ref=report.call,
                )
            except IllegalTransitionError:
                return False
            return True

        @precondition(lambda self: self.shift_began is not None)
        @rule()
        def replay_the_spool(self) -> None:
            for report in self.spool:
                assert not self.send(report)

        @rule(start=st.integers(-20, HORIZON), length=st.integers(0, HORIZON + 50))
        def ask(self, start: int, length: int) -> None:
            self.compare(start, start + length)

        @invariant()
        def every_second_is_in_one_state_with_one_payer(self) -> None:
            self.compare(0, HORIZON)

        def compare(self, start: int, end: int) -> None:
            end = max(start, min(end, HORIZON))
            seconds = [self.out if second < 0 else self.seconds[second] for second in range(start, end)]
            expected = Counter((state, payer) for state, payer, _ in seconds)
            with gate.open(ON_FLOOR) as session:
                found = presence.partition(session, agent_id=self.agent, start=at(start), end=at(end))
            assert {(part.state, part.payer_tenant_id): part.duration_ms for part in found.slices} == {
                key: 1000 * count for key, count in expected.items()
            }

    return Floor


@pytest.mark.parametrize(
    "examples", [12, pytest.param(300, marks=[pytest.mark.deep, pytest.mark.timeout(1800)])]
)
def test_agent_time_is_a_partition_whatever_is_reported(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId, examples: int
) -> None:
    with clock.hold(at(HORIZON)):
        run_state_machine_as_test(
            floor(gate, vault, (tenant_a, tenant_b)),
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
