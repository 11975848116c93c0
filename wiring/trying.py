"""Working out what other ways of routing would have done to a company's calls.

Killed, it begins again; asked for again meanwhile, it ends at its next word.
"""

import datetime as dt
import time
from typing import Protocol

from security.gate import Gate, Scope
from security.vault import Vault
from telephony.errors import NoRoutingTrialError
from telephony.events import RoutingTrialAsked
from telephony.routing import example, history, trials
from telephony.routing import settings as routing

KIND = "routing.try"
_NOTED_EVERY_S = 0.5


class Means(Protocol):
    """What this job needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def vault(self) -> Vault:
        """Opens callers' numbers, for their regions."""
        ...


class _ReplacedError(Exception):
    """Somebody has asked for another trial."""


def run(means: Means, event: RoutingTrialAsked) -> None:
    """Work a trial out and write its answer, unless another one has taken its place."""
    tenant_id, trial_id, noted_at = event.tenant_id, event.trial_id, time.monotonic()
    with means.gate.open(Scope.system(tenant_id)) as session:
        try:
            trial = trials.read(session, tenant_id=tenant_id)
        except NoRoutingTrialError:
            return
        if trial.trial_id != trial_id or trial.ended_at is not None:
            return
        settings, asked = routing.read(session, tenant_id=tenant_id), trial.asked
        if asked.is_example:
            calls, policy = example.calls(asked.people), example.POLICY
        else:
            policy = settings.policy
            calls = history.read(
                session,
                tenant_id=tenant_id,
                vault=means.vault,
                settings=settings,
                since=trial.asked_at - dt.timedelta(days=asked.days),
                until=trial.asked_at,
            )

    def progress(share: float) -> None:
        nonlocal noted_at
        if time.monotonic() - noted_at < _NOTED_EVERY_S:
            return
        noted_at = time.monotonic()
        with means.gate.open(Scope.system(tenant_id)) as session:
            if not trials.moved(session, tenant_id=tenant_id, trial_id=trial_id, percent=int(100 * share)):
                raise _ReplacedError

    try:
        arms = trials.work_out(calls, policy, asked, progress)
    except _ReplacedError:
        return
    with means.gate.open(Scope.system(tenant_id)) as session:
        trials.finish(session, tenant_id=tenant_id, trial_id=trial_id, calls=len(calls), arms=arms)
