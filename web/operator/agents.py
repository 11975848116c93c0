"""The agents: who takes calls, hired by an invitation, and for which companies each works.

Which queues of a company they serve is the company's to say. Agents are the operator's people: their users
stand in the operator's walls, and so does the log of what is decided about them.
"""

import datetime as dt
from dataclasses import dataclass

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from core import clock, ids
from core.errors import Invalid, SeatlineError
from core.ids import OPERATOR, SessionId, TenantId
from core.phone import parse_e164
from seats import desk, roster
from seats.roster import Posting
from seats.rules import activity
from security import evidence
from telephony import orders, telephones
from telephony.orders import OrderKind
from tenants import staff, users
from tenants.roles import may_hand_on
from tenants.users import User
from web import identity, invitations, said, scope, tables, words
from web.account import signing
from web.guards import permission
from web.operator import rounds
from web.operator.stock import SHOWN
from web.operator.views import pages

_HERE = "/operator/agents"
_FIRST, _LOWEST, _HIGHEST = 1001, 1, 999_999
_MOST = 500  # companies in one form
_LANGUAGES = {"en": "en", "zh": "zh_Hans_CN"}  # what callers hear, and the pages that go with it
_FIELD = {
    "agent-number-taken": "number",
    "agent-number": "number",
    "agent-details": "languages",
    "email-taken": "email",
    "malformed-email": "email",
}


class AgentNumberError(Invalid):
    """An agent's number is a whole number from 1 to 999,999: callers hear it."""

    code = "agent-number"


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent; see templates/operator/agents.html. `state`: active, invited, disabled."""

    number: int
    name: str
    state: str
    companies: str
    signed_in_at: dt.datetime | None
    now: str


def _states() -> tables.Words:
    return [
        ("active", gettext("Active")),
        ("invited", gettext("Invited")),
        ("disabled", gettext("Shut out")),
    ]


AGENTS: tables.Table[AgentRow] = tables.Table(
    "agents",
    (
        tables.Column("number", _l("Number"), lambda row: row.number, sorts=True),
        tables.Column("name", _l("Name"), lambda row: row.name, sorts=True),
        tables.Column("companies", _l("Works for"), lambda row: row.companies, sorts=True),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("now", _l("Now"), lambda row: row.now, cls="hide-s"),
        tables.Column("signed-in", _l("Last sign-in"), lambda row: row.signed_in_at, sorts=True, cls="r"),
    ),
    filters=(
        tables.Search("q", _l("Find an agent"), _l("Name, number or company")),
        tables.Choice("state", _l("State"), _states),
    ),
    order="number",
)


@pages.get("/agents")
@permission("stock.read")
def agent_list() -> str | Response:
    """Show the agents, for whom each works, and what they do now."""
    names = {one.tenant_id: one.name for one in rounds.clients()}
    everyone = _users()
    there = {one.agent.id: one.presence for one in desk.serving(scope.session()) if one.presence}

    def row(one: Posting) -> AgentRow:
        presence = there.get(one.agent.id)
        user = everyone.get(one.agent.user_id)
        return AgentRow(
            number=one.agent.number,
            name=_name(one),
            state=_state(one, user),
            companies=", ".join(sorted(names[client] for client in one.clients if client in names)),
            signed_in_at=user.signed_in_at if user else None,
            now=SHOWN.get(activity(presence.state), "away") if presence else "",
        )

    def fetch(asked: tables.Asked) -> tables.Slice[AgentRow]:
        rows = [row(one) for one in roster.postings(scope.session())]
        kept = [one for one in rows if asked.get("state") in {"", one.state}]
        return tables.of_list(
            AGENTS, asked, kept, text=lambda one: f"{one.number} {one.name} {one.companies}"
        )

    return tables.show(AGENTS, "operator/agents.html", fetch, may_write=_may_write())


@pages.get("/agents/new")
@permission("rosters.write")
def agent_form() -> str:
    """Show the form that hires an agent."""
    highest = max((one.agent.number for one in roster.postings(scope.session())), default=_FIRST - 1)
    return _form({"number": str(highest + 1), "languages": ["en"]})


@pages.post("/agents")
@permission("rosters.write")
def hire_agent() -> Response:
    """Hire somebody; the page that follows shows the link by which they choose a password, once."""
    who, session = identity.current(), scope.session()
    given: dict[str, str | list[str]] = {
        name: request.form.get(name, "").strip() for name in ("name", "email", "number")
    }
    given |= {name: request.form.getlist(name)[:_MOST] for name in ("languages", "companies")}
    spoken = [one for one in _LANGUAGES if one in given["languages"]]
    try:
        if not spoken:
            raise roster.AgentDetailsError
        user = staff.invite(
            session,
            tenant_id=OPERATOR,
            vault=scope.services().vault,
            email=str(given["email"]),
            name=str(given["name"]),
            role="agent",
            language=_LANGUAGES[spoken[0]],
            zone=who.company.zone,
            by=may_hand_on(who.permissions),
            principal_id=who.principal_id,
        )
        agent = roster.hire(
            session,
            vault=scope.services().vault,
            user_id=user.id,
            number=_number(str(given["number"])),
            name=user.name,
            languages=spoken,
        )
        _let_work(Posting(agent, frozenset()), _chosen())
    except SeatlineError as error:
        if error.kind not in {"invalid", "conflict"}:
            raise
        scope.rollback()
        text = words.problem(error.code, error.kind)
        return make_response(
            _form(given, {_FIELD.get(error.code, "name"): f"{text.title}. {text.advice}"}), 422
        )
    return make_response(_detail(agent.number, link=_invite(user)), 201)


@pages.get("/agents/<int:agent_number>")
@permission("stock.read")
def one_agent(agent_number: int) -> str:
    """Show one agent."""
    return _detail(agent_number)


@pages.post("/agents/<int:agent_number>/companies")
@permission("rosters.write")
def assign_agent(agent_number: int) -> Response:
    """Let an agent work for exactly these companies from now on; a call they talk in goes on."""
    one = _find(agent_number)
    _let_work(one, _chosen())
    said.done(gettext("From now on agent %(number)s works for the companies you chose.", number=agent_number))
    return redirect(f"{_HERE}/{agent_number}", 303)


@pages.post("/agents/<int:agent_number>/telephone")
@permission("rosters.write")
def agent_telephone(agent_number: int) -> Response:
    """Say at which number of their own an agent's calls may ring, and which companies' calls."""
    one, session, vault = _find(agent_number), scope.session(), scope.services().vault
    typed = request.form.get("number", "").strip()
    ticked = set(request.form.getlist("companies")[:_MOST])
    before = telephones.of_agent(session, agent_id=one.agent.id, vault=vault)
    try:
        number = before.number if before and not typed else parse_e164(typed)
        telephones.set_up(
            session,
            agent_id=one.agent.id,
            agent_number=agent_number,
            number=number,
            clients=[client for client in one.clients if ids.public("ten", client) in ticked],
            vault=vault,
        )
    except Invalid as error:
        scope.rollback()
        text = words.problem(error.code, error.kind)
        return make_response(_detail(agent_number, problem=f"{text.title}. {text.advice}"), 422)
    _tell(one, [])
    said.done(gettext("Calls of agent %(number)s may ring at their own telephone.", number=agent_number))
    return redirect(f"{_HERE}/{agent_number}", 303)


@pages.post("/agents/<int:agent_number>/telephone/remove")
@permission("rosters.write")
def agent_telephone_gone(agent_number: int) -> Response:
    """Let no call ring at an agent's own telephone any more; one they talk in goes on."""
    one = _find(agent_number)
    telephones.take_away(scope.session(), agent_id=one.agent.id, agent_number=agent_number)
    _tell(one, [])
    said.done(gettext("Calls of agent %(number)s ring only in the browser.", number=agent_number))
    return redirect(f"{_HERE}/{agent_number}", 303)


@pages.post("/agents/<int:agent_number>/link")
@permission("rosters.write")
def agent_link(agent_number: int) -> Response:
    """Make another link for an agent who has never signed in; who has uses “password forgotten”."""
    one, who = _find(agent_number), identity.current()
    user = _users()[one.agent.user_id]
    staff.make_link(
        scope.session(),
        tenant_id=OPERATOR,
        user_id=user.id,
        is_new=user.signed_in_at is None,
        by=may_hand_on(who.permissions),
        principal_id=who.principal_id,
    )
    if user.signed_in_at is not None and invitations.is_mailed():
        invitations.mail_reset(user)
        said.done(gettext("A link is on its way to %(email)s, and shown to nobody else.", email=user.email))
        return redirect(f"{_HERE}/{agent_number}", 303)
    return make_response(_detail(agent_number, link=_invite(user)), 201)


@pages.post("/agents/<int:agent_number>/leave")
@permission("rosters.write")
def agent_leaves(agent_number: int) -> Response:
    """Let an agent go: signed out everywhere, and in no more."""
    one, who = _find(agent_number), identity.current()
    roster.leave(scope.session(), agent_id=one.agent.id)
    telephones.take_away(scope.session(), agent_id=one.agent.id, agent_number=agent_number)
    ended = staff.shut_out(
        scope.session(),
        tenant_id=OPERATOR,
        user_id=one.agent.user_id,
        by=may_hand_on(who.permissions),
        principal_id=who.principal_id,
    )
    _tell(one, ended)
    where = f"{_HERE}/{agent_number}"
    said.done(gettext("Agent %(number)s is let go.", number=agent_number), undo=f"{where}/come-back")
    return redirect(where, 303)


@pages.post("/agents/<int:agent_number>/come-back")
@permission("rosters.write")
def agent_comes_back(agent_number: int) -> Response:
    """Let an agent who left work again, for whom they worked."""
    one, who = _find(agent_number), identity.current()
    roster.come_back(scope.session(), agent_id=one.agent.id)
    staff.let_in(
        scope.session(),
        tenant_id=OPERATOR,
        user_id=one.agent.user_id,
        by=may_hand_on(who.permissions),
        principal_id=who.principal_id,
    )
    _tell(one, [])
    said.done(gettext("Agent %(number)s can sign in again.", number=agent_number))
    return redirect(f"{_HERE}/{agent_number}", 303)


def _let_work(one: Posting, wanted: frozenset[TenantId]) -> None:
    """Assign an agent to companies and take them from others; each is in the log."""
    session, now = scope.session(), clock.now()
    # a company that is closed is in no form, and stays what it was
    offered = frozenset(tenant_id for tenant_id, _name in _companies())
    for client in wanted - one.clients:
        roster.assign(session, agent_id=one.agent.id, client_tenant_id=client, starts_at=now)
        evidence.record(session, "agent.assigned", "ten", client, number=one.agent.number)
    for client in (one.clients & offered) - wanted:
        roster.unassign(session, agent_id=one.agent.id, client_tenant_id=client, at=now)
        evidence.record(session, "agent.unassigned", "ten", client, number=one.agent.number)
    _tell(one, [])


def _tell(one: Posting, ended: list[SessionId]) -> None:
    """Tell the switchboard whom the agent may serve now, and the pages which sessions are over."""
    orders.leave(scope.session(), OrderKind.SERVES, agent_id=one.agent.id)
    services = scope.services()

    def tell() -> None:
        services.realtime.publish(OPERATOR, orders.WAKE_UP, {})
        signing.tell_ended(services, tenant_id=OPERATOR, session_ids=ended)

    scope.after_commit(tell)


def _invite(user: User) -> str:
    """Mail the invitation, and return its address to be handed over too."""
    by = identity.current().principal_id
    proven = staff.proof(scope.session(), tenant_id=OPERATOR, user_id=user.id, made_by=by)
    link = invitations.link(invitations.Invitation(OPERATOR, user.id, by, proven))
    invitations.mail(user, link)
    return link


def _chosen() -> frozenset[TenantId]:
    """Return the active companies that were ticked."""
    ticked = set(request.form.getlist("companies"))
    return frozenset(one for one, _name in _companies() if ids.public("ten", one) in ticked)


def _companies() -> list[tuple[TenantId, str]]:
    return [(one.tenant_id, one.name) for one in rounds.clients() if one.status == "active"]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and _LOWEST <= int(text) <= _HIGHEST):
        raise AgentNumberError
    return int(text)


def _users() -> dict[ids.UserId, User]:
    vault = scope.services().vault
    return {one.id: one for one in users.everyone(scope.session(), tenant_id=OPERATOR, vault=vault)}


def _name(one: Posting) -> str:
    return roster.display_name(scope.services().vault, one.agent.name)


def _state(one: Posting, user: User | None) -> str:
    if not one.agent.is_active or user is None or user.status != "active":
        return "disabled"
    return "active" if user.signed_in_at else "invited"


def _find(number: int) -> Posting:
    return roster.posting(scope.session(), number=number)


def _may_write() -> bool:
    return "rosters.write" in identity.current().permissions


def _form(given: dict[str, str | list[str]], errors: dict[str, str] | None = None) -> str:
    return render_template(
        "operator/agent_new.html",
        given={"name": "", "email": "", "number": "", "languages": [], "companies": []} | given,
        errors=errors or {},
        companies=[(ids.public("ten", one), name) for one, name in _companies()],
    )


def _telephone(one: Posting) -> dict[str, object] | None:
    """Return what the page shows of an agent's own telephone; None: they have none."""
    vault = scope.services().vault
    found = telephones.of_agent(scope.session(), agent_id=one.agent.id, vault=vault)
    if found is None:
        return None
    return {"number": found.shown, "is_checked": found.is_checked, "is_chosen": found.is_chosen}


def _detail(number: int, *, link: str = "", problem: str = "") -> str:
    one = _find(number)
    rings = telephones.clients_of(scope.session(), agent_id=one.agent.id)
    names = dict(_companies())
    user = _users().get(one.agent.user_id)
    return render_template(
        "operator/agent.html",
        number=number,
        name=_name(one),
        email=user.email if user else "",
        state=_state(one, user),
        signed_in_at=user.signed_in_at if user else None,
        languages=one.agent.languages,
        companies=[
            (ids.public("ten", tenant_id), name, tenant_id in one.clients) for tenant_id, name in _companies()
        ],
        telephone=_telephone(one),
        rings_for=[
            (ids.public("ten", client), names[client], client in rings)
            for client in sorted(one.clients, key=lambda client: names.get(client, ""))
            if client in names
        ],
        problem=problem,
        may_write=_may_write(),
        link=link,
        days=invitations.DAYS,
        is_mailed=invitations.is_mailed(),
    )
