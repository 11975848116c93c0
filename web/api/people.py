"""People: who may sign in, with which role; inviting, changing, shutting out and letting in.

A key gives a role when it has every scope that the role has (`tenants.roles.may_give`); owners are made by
owners, in the portal.
"""

from typing import Literal

from pydantic import Field

from core import ids
from core.ids import SessionId, UserId
from tenants import access_log, apikeys, staff, users
from tenants.access_log import Entry
from tenants.roles import may_give
from tenants.users import User
from web import identity, invitations, scope
from web.account import signing
from web.api import cursors, preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Outward, PageQuery, Text, shown_as
from web.guards import permission

_LOG = "access-log"
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
        description="It goes to them by mail, where mail is sent; or hand it over. It is good for three "
        "days and one password. It ends when the role or the password changes, or when who made it may no "
        "longer give the role."
    )


class Linked(Person):
    """Somebody for whom a link was made."""

    link: str | None = Field(
        description="As of an invitation. None for who has signed in before, where mail is sent: the link "
        "goes to that person alone, for a quarter of an hour."
    )


class Deed(Outward):
    """One change of what a person or a key may do."""

    at: Instant
    by: str = Field(
        description="The person (`usr_…`) or the API key (`key_…`) that did it.",
        examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    deed: str = Field(
        description="`invited`, `link-made`, `password-chosen`, `role-changed`, `shut-out`, `let-in`,"
        " `second-step-taken`, `key-made` or `key-revoked`.",
        examples=["role-changed"],
    )
    person: str | None = Field(description="Whom it was done to.")
    key: str | None = Field(description="The key it was done to.")
    was: list[str] = Field(description="Roles before.")
    now: list[str] = Field(description="Roles from then on.")


class AccessLog(Listed):
    """A page of the record of access, newest first."""

    data: list[Deed]


class NewPerson(Inward):
    """Whom to invite."""

    name: Text = Field(min_length=1, max_length=120, examples=["Nora Quist"])
    email: Text = Field(min_length=3, max_length=254, examples=["nora@example.com"])
    role: RoleName


class PersonChange(Inward):
    """What to change; what is left out stays."""

    model_config = shown_as(role="tenant_analyst")

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
@operation(tag="People", answers={201: Invited}, errors=(409,), operation_id="invitePerson")
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
    made = Invited(**_shown(user).model_dump(), link=_link(user, proven))
    invitations.mail(user, made.link)
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
    errors=(404,),
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


@pages.post("/people/<user_id>/link")
@permission("users.write")
@operation(tag="People", answers={201: Linked}, errors=(404, 409), operation_id="makePersonLink")
def make_link(user_id: str) -> tuple[Linked, int]:
    """Make a link by which somebody chooses a new password; for who lost theirs, or never had one."""
    who, user = identity.current(), _find(user_id)
    proven = staff.make_link(
        scope.session(),
        tenant_id=who.tenant_id,
        user_id=user.id,
        is_new=user.signed_in_at is None,
        by=may_give(who.permissions),
        principal_id=who.principal_id,
    )
    if user.signed_in_at is not None and invitations.is_mailed():
        invitations.mail_reset(user)
        return Linked(**_shown(user).model_dump(), link=None), 201
    made = Linked(**_shown(user).model_dump(), link=_link(user, proven))
    invitations.mail(user, str(made.link))
    return made, 201


@pages.get("/access-log")
@permission("users.read")
@operation(tag="People", answers={200: AccessLog}, operation_id="listAccessLog")
def list_access_log(query: PageQuery) -> AccessLog:
    """List every change of what a person or a key may do, newest first."""
    after = cursors.decode(query.starting_after, of=_LOG)
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = access_log.latest(
        session,
        tenant_id=tenant_id,
        after=int(after[0]) if after else None,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    keys = apikeys.names(session, tenant_id=tenant_id, key_ids={one.by for one in shown})
    return AccessLog(
        data=[_entry(one, is_by_key=one.by in keys) for one in shown],
        has_more=has_more,
        next=cursors.encode(str(shown[-1].number), of=_LOG) if has_more else None,
    )


def _link(user: User, proven: str) -> str:
    who = identity.current()
    return invitations.link(invitations.Invitation(who.tenant_id, user.id, who.principal_id, proven))


def _entry(one: Entry, *, is_by_key: bool) -> Deed:
    return Deed(
        at=one.at,
        by=ids.public("key" if is_by_key else "usr", one.by),
        deed=one.deed.value,
        person=ids.public("usr", one.user_id) if one.user_id else None,
        key=ids.public("key", one.key_id) if one.key_id else None,
        was=list(one.was),
        now=list(one.now),
    )


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
