"""The agreements on secrecy an agent reads and signs: the operator's, and one of each company they serve.

What is signed is kept inside the walls of whose agreement it is, and the database takes the signer from the
context; until both are signed it lets no agent into a company (`sec.enter`).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, flash, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core.errors import NotFound
from core.ids import OPERATOR, TenantId, UserId, new_id, parse, public
from seats.desk import ServingAgent
from tenants import agreements
from tenants.agreements import Standing
from tenants.errors import AgreementMissingError, NotYourNameError
from web import identity, scope
from web.console import desk
from web.guards import permission


class NotAssignedError(NotFound):
    """The agent works for no such company."""

    code = "not-assigned"


@dataclass(frozen=True, slots=True)
class Paper:
    """One agreement as its signer sees it.

    Attributes:
        state: signed, due (until `due_at`), unsigned, revoked, or missing: nothing is published.
        version: what is to be read and signed, or was signed; None: missing.
        from_at: from when on it holds.
    """

    id: str
    name: str
    state: str
    version: int | None
    body: str
    fingerprint: str
    from_at: dt.datetime | None
    due_at: dt.datetime | None

    @property
    def wants_signing(self) -> bool:
        """Whether there is something to sign."""
        return self.state in {"due", "unsigned"}


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.get("/agreements")(agreement_list)
    pages.get("/agreements/<company>")(one_agreement)
    pages.post("/agreements/<company>")(sign_agreement)


@permission("console.open")
def agreement_list() -> str:
    """Show the agreements of the agent's companies, and how they stand to each."""
    with desk.operator() as session:
        one = desk.serving(session)
    return render_template("console/agreements.html", papers=list(_papers(one)))


@permission("console.open")
def one_agreement(company: str) -> str:
    """Show one agreement in full, to read and sign."""
    return render_template("console/agreement.html", paper=_paper(_asked(company)), error="", typed="")


@permission("console.open")
def sign_agreement(company: str) -> BaseResponse:
    """Sign one agreement: a tick, and one's own name."""
    who, tenant_id = identity.current(), _asked(company)
    typed, version = request.form.get("name", ""), request.form.get("version", "")
    with scope.within(tenant_id, principal_id=who.principal_id) as session:
        every = agreements.versions(session, tenant_id=tenant_id)
        read = next((one for one in every if str(one.version) == version), None)
        if read is None:
            raise AgreementMissingError
        try:
            agreements.sign(
                session,
                agreement=read,
                user_id=UserId(who.principal_id),
                name=who.name,
                typed=typed if request.form.get("read") == "yes" else "",
                session_id=who.session_id or new_id(),
            )
        except NotYourNameError:
            error = gettext("Tick the box and type your name exactly as it stands above.")
            paper = _paper(tenant_id)
            return make_response(
                render_template("console/agreement.html", paper=paper, error=error, typed=typed[:200]), 422
            )
    flash(gettext("Signed. Thank you."))
    return redirect("/console/agreements", 303)


def waiting(one: ServingAgent) -> list[Paper]:
    """Return what an agent has to sign, or may not any more; nothing when all is well."""
    return [paper for paper in _papers(one) if paper.state != "signed"]


def _papers(one: ServingAgent) -> Iterator[Paper]:
    for tenant_id in (OPERATOR, *sorted(one.clients | one.unsigned)):
        yield _paper(tenant_id)


def _asked(company: str) -> TenantId:
    """Return whose agreement is asked for: the operator's, or a company's they are assigned to."""
    tenant_id = TenantId(parse("ten", company))
    with desk.operator() as session:
        one = desk.serving(session)
    if tenant_id != OPERATOR and tenant_id not in one.clients | one.unsigned:
        raise NotAssignedError
    return tenant_id


def _paper(tenant_id: TenantId) -> Paper:
    who = identity.current()
    with scope.within(tenant_id, principal_id=who.principal_id) as session:
        found = agreements.standing(session, tenant_id=tenant_id, user_id=UserId(who.principal_id))
        name = desk.client(tenant_id, session).name
    text = found.newest
    return Paper(
        id=public("ten", tenant_id),
        name=name,
        state=_state(found),
        version=text.version if text else None,
        body=text.body if text else "",
        fingerprint=text.digest.hex()[:16] if text else "",
        from_at=text.effective_from if text else None,
        due_at=found.due_at,
    )


def _state(found: Standing) -> str:
    if found.newest is None:
        return "missing"
    if found.is_revoked:
        return "revoked"
    if found.is_signed:
        return "signed"
    return "due" if found.is_open else "unsigned"
