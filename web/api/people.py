"""People: who may sign in, with which role; inviting, changing, shutting out and letting in.

A key gives a role when it has every scope that the role has (`tenants.roles.may_give`); owners are made by
owners, in the portal.
"""

from typing import Literal

from pydantic import Field

from core import ids
from core.ids import SessionId, UserId
from tenants import staff, users
from tenants.roles import may_give
from tenants.users import User
from web import identity, invitations, scope
from web.account import signing
from web.api import preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward, Text
from web.guards import permission

RoleName = Literal["tenant_admin", "tenant_supervisor", "tenant_analyst"]


class Person(Outward):
    """Somebody who may sign in."""

    id: str = Field(examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    email: str
    roles: list[str] = Field(examples=[["tenant_supervisor"]])
    state: str = Field(description="invited, active or disabled", examples=["active"])
    created_at: Instant | None
    signed_in_at: Instant | None


class People(Outward):
    """Everybody of the company."""

    data: list[Person]


class Invited(Person):
    """Somebody fresh, with the link that lets them choose a password."""

    link: str = Field(
        description="Hand it over; it is good for three days and one password. It ends when the role or the "
        "password changes, or when who made it may no longer give the role."
    )


class NewPerson(Inward):
    """Whom to invite."""

    name: Text = Field(min_length=1, max_length=120, examples=["Nora Quist"])
    email: Text = Field(min_length=3, max_length=254, examples=["nora@example.com"])
    role: RoleName


class PersonChange(Inward):
    """What to change; what is left out stays."""

    role: RoleName | None = None
    state: Literal["active", "disabled"] | None = Field(
        default=None, description="`disabled` ends every session at once."
    )


@pages.get("/people")
@permission("users.read")
@operation(tag="People", answers={200: People}, operation_id="listPeople")
def list_people() -> People:
    """List who may sign in."""
    found = users.everyone(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return People(data=[_shown(one) for one in found])


@pages.post("/people")
@permission("users.write")
@operation(tag="People", answers={201: Invited}, errors=(400, 409, 413, 415), operation_id="invitePerson")
def invite_person(json: NewPerson) -> tuple[Invited, int, dict[str, str]]:
    """Invite somebody. They can sign in once they have chosen a password by the link."""
    who = identity.current()
    user = staff.invite(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        email=json.email,
        name=json.name,
        role=json.role,
        language=who.company.language,
        zone=who.company.zone,
        by=may_give(who.permissions),
        principal_id=who.principal_id,
    )
    proven = staff.proof(scope.session(), tenant_id=who.tenant_id, user_id=user.id, made_by=who.principal_id)
    link = invitations.link(invitations.Invitation(who.tenant_id, user.id, who.principal_id, proven))
    made = Invited(**_shown(user).model_dump(), link=link)
    return made, 201, {"Location": f"/api/v1/people/{made.id}", **preconditions.tag(_version(user))}


@pages.get("/people/<user_id>")
@permission("users.read")
@operation(tag="People", answers={200: Person}, errors=(404,), operation_id="getPerson")
def one_person(user_id: str) -> tuple[Person, int, dict[str, str]]:
    """Look at one person."""
    user = _find(user_id)
    return _shown(user), 200, preconditions.tag(_version(user))


@pages.patch("/people/<user_id>")
@permission("users.write")
@operation(
    tag="People",
    answers={200: Person},
    errors=(400, 404, 413, 415),
    operation_id="changePerson",
    conditional=True,
)
def change_person(user_id: str, json: PersonChange) -> tuple[Person, int, dict[str, str]]:
    """Give somebody another role, shut them out, or let them in again. Their sessions end."""
    who, session, user = identity.current(), scope.session(), _find(user_id)
    preconditions.insist(_version(user))
    by, me, ended = may_give(who.permissions), who.principal_id, list[SessionId]()
    if json.state == "disabled" and user.status == "active":
        ended += staff.shut_out(session, tenant_id=who.tenant_id, user_id=user.id, by=by, principal_id=me)
    if json.state == "active" and user.status != "active":
        staff.let_in(session, tenant_id=who.tenant_id, user_id=user.id, by=by, principal_id=me)
    if json.role and user.roles != (json.role,):
        ended += staff.change_roles(
            session, tenant_id=who.tenant_id, user_id=user.id, roles=[json.role], by=by, principal_id=me
        )
    services, tenant_id = scope.services(), who.tenant_id
    scope.after_commit(lambda: signing.tell_ended(services, tenant_id=tenant_id, session_ids=ended))
    changed = _find(user_id)
    return _shown(changed), 200, preconditions.tag(_version(changed))


def _find(user_id: str) -> User:
    return users.read(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        user_id=UserId(id_in_path("usr", user_id)),
    )


def _version(user: User) -> str:
    return preconditions.digest(user.status, *user.roles)


def _shown(user: User) -> Person:
    state = "disabled" if user.status != "active" else "active" if user.signed_in_at else "invited"
    return Person(
        id=ids.public("usr", user.id),
        name=user.name,
        email=user.email,
        roles=list(user.roles),
        state=state,
        created_at=user.created_at,
        signed_in_at=user.signed_in_at,
    )
