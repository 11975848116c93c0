"""Warms a process of the pages up before it serves: the first pop of the day has 300 ms like any other.

What costs time once per process is done here: connections are opened, the statements of the pop and of the
console's state are compiled and prepared, its template is compiled and written once in each language. The
ids are of nobody, so nothing is found; what fails here fails again, visibly, in the first request.
"""

import contextlib
import gc

from flask import Flask, render_template
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, AgentId, CallId, CustomerId, OfferId, UserId, new_id
from customers import dispositions, interactions, records
from seats import desk as seating
from security.gate import Scope
from telephony import calls, endpoints, numbers, queues, work
from tenants import companies, sessions, users
from tenants.companies import LANGUAGES
from web.services import Services

_DESK = Scope.system(OPERATOR)
_log = log.get(__name__)


def warm_up(app: Flask, services: Services) -> None:
    """Do once what the first pop would else have to wait for; never fails."""
    try:
        services.gate.resolve("session", bytes(32))
        with services.gate.open(_DESK) as session, services.gate.open(_DESK) as other:
            for each in (session, other):  # two at once, as a pop needs them
                _ask(each, services)
    except SQLAlchemyError as error:
        _log.warning("not-warm", error=type(error).__name__)
    for language in LANGUAGES:
        with app.test_request_context("/console/", headers={"Accept-Language": language.split("_")[0]}):
            render_template("console/pop.html", offer=_OFFER, greeting=" ", customer=_CUSTOMER)
    # what is loaded now stays: a collection need not walk it again while somebody waits
    gc.collect()
    gc.freeze()


def _ask(session: Session, services: Services) -> None:
    """Ask for what nobody has, with the statements of the pop and of the state."""
    vault, nobody = services.vault, new_id()
    for look in (
        lambda: sessions.find(session, tenant_id=OPERATOR, vault=vault, digest=bytes(32)),
        lambda: users.roles_of(session, tenant_id=OPERATOR, user_id=UserId(nobody)),
        lambda: seating.agent_by_user(session, user_id=UserId(nobody)),
        lambda: seating.serving(session),
        lambda: work.in_hand(session, agent_id=AgentId(nobody)),
        lambda: work.of_agent(session, offer_id=OfferId(nobody), agent_id=AgentId(nobody)),
        lambda: endpoints.of_agent(session, agent_id=AgentId(nobody), vault=vault),
        lambda: calls.get(session, tenant_id=OPERATOR, call_id=CallId(nobody), vault=vault),
        lambda: records.get(session, tenant_id=OPERATOR, vault=vault, customer_id=CustomerId(nobody)),
        lambda: interactions.recent(session, tenant_id=OPERATOR, vault=vault, customer_id=CustomerId(nobody)),
        lambda: companies.read(session, tenant_id=OPERATOR),
        lambda: queues.all_of(session, tenant_id=OPERATOR),
        lambda: numbers.all_of(session, tenant_id=OPERATOR),
        lambda: dispositions.offered(session, tenant_id=OPERATOR),
    ):
        with contextlib.suppress(SeatlineError):
            look()


_OFFER = {
    "id": "",
    "company": " ",
    "queue": "",
    "number": "+442079460000",
    "caller": "",
    "region": "",
    "inbound": True,
    "waited_since": clock.now(),
}
_CUSTOMER = {
    "name": " ",
    "since": clock.now().date(),
    "tags": [],
    "calls_this_week": 1,
    "fields": [{"label": "", "shown": "", "reveal_url": None}],
    "interactions": [{"at": clock.now(), "kind": "call", "title": "", "text": "", "outcome": ""}],
}
