"""The company's people: who may sign in and as what; invited by a link, shut out and let in again."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import SeatlineError
from core.ids import SessionId, UserId
from tenants import access_log, apikeys, staff, users
from tenants.errors import LastOwnerError, RoleNotYoursError
from tenants.roles import OWNER, ROLES, Door, permitted
from tenants.users import User
from web import edits, identity, invitations, refusals, said, scope, tables, words
from web.account import signing
from web.account.passkeys import SignInAgainError
from web.guards import permission
from web.portal.views import pages
from web.shown import access
from web.shown.access import DeedRow

_HISTORY = 50  # deeds on a person's page
_MOST_DEEDS = 2_000  # in the company's list
_ROLES = tuple(name for name, role in ROLES.items() if role.door is Door.PORTAL)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person; see templates/portal/people.html."""

    id: str
    name: str
    email: str
    role: str
    state: str  # active, invited, disabled
    signed_in_at: dt.datetime | None
    is_me: bool


def _states() -> tables.Words:
    return [
        ("active", gettext("Active")),
        ("invited", gettext("Invited")),
        ("disabled", gettext("Shut out")),
    ]


PEOPLE: tables.Table[PersonRow] = tables.Table(
    "people",
    (
        tables.Column("name", _l("Name"), lambda row: row.name, sorts=True),
        tables.Column("email", _l("E-mail"), lambda row: row.email, sorts=True),
        tables.Column("role", _l("Role"), lambda row: row.role, sorts=True),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("signed-in", _l("Last sign-in"), lambda row: row.signed_in_at, sorts=True, cls="r"),
    ),
    filters=(tables.Choice("state", _l("State"), _states),),
    order="name",
)


DEEDS: tables.Table[DeedRow] = tables.Table(
    "access-log",
    (
        tables.Column("deed", _l("Did what"), lambda row: row.deed),
        tables.Column("about", _l("Whose access"), lambda row: row.about, sorts=True),
        tables.Column("by", _l("Who"), lambda row: row.by, sorts=True),
        tables.Column("at", _l("When"), lambda row: row.at, sorts=True, cls="r"),
    ),
    order="-at",
)


@pages.get("/people")
@permission("users.read")
def people_list() -> str | BaseResponse:
    """Show who may sign in."""
    who = identity.current()

    def fetch(asked: tables.Asked) -> tables.Slice[PersonRow]:
        every = users.everyone(scope.session(), tenant_id=who.tenant_id, vault=scope.services().vault)
        rows = [_row(one) for one in every]
        return tables.of_list(PEOPLE, asked, [row for row in rows if asked.get("state") in {"", row.state}])

    return tables.show(PEOPLE, "portal/people.html", fetch, may_write="users.write" in who.permissions)


@pages.get("/people/history")
@permission("users.read")
def access_history() -> str | BaseResponse:
    """Show who changed whose access."""

    def fetch(asked: tables.Asked) -> tables.Slice[DeedRow]:
        found = access_log.latest(scope.session(), tenant_id=identity.current().tenant_id, limit=_MOST_DEEDS)
        return tables.of_list(DEEDS, asked, access.rows(found))

    return tables.show(DEEDS, "portal/access.html", fetch)


@pages.get("/people/new")
@permission("users.write")
def invitation_form() -> str:
    """Show the form that invites somebody."""
    return _form({})


@pages.post("/people")
@permission("users.write")
def invite() -> BaseResponse:
    """Invite somebody; the page that follows shows the link, once."""
    who = identity.current()
    given = {name: request.form.get(name, "").strip() for name in ("name", "email", "role")}
    try:
        user = staff.invite(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            email=given["email"],
            name=given["name"],
            role=given["role"] if given["role"] in _ROLES else "",
            language=who.company.language,
            zone=who.company.zone,
            by=who.permissions,
            principal_id=who.principal_id,
        )
    except SeatlineError as error:
        if error.kind not in {"invalid", "conflict", "refused"}:
            raise
        scope.rollback()
        refusals.note(error, error.code)
        text = words.problem(error.code, error.kind)
        field = {"email-taken": "email", "malformed-email": "email", "malformed-setting": "name"}
        return make_response(
            _form(given, {field.get(error.code, "role"): f"{text.title}. {text.advice}"}), 422
        )
    proven = staff.proof(scope.session(), tenant_id=who.tenant_id, user_id=user.id, made_by=who.principal_id)
    link = _link(user.id, proven)
    invitations.mail(user, link)
    return make_response(_shown(user, link=link), 201)


@pages.get("/people/<user_id>")
@permission("users.read")
def one_person(user_id: str) -> str:
    """Show one person."""
    return _shown(_find(user_id))


@pages.post("/people/<user_id>/link")
@permission("users.write")
def new_link(user_id: str) -> BaseResponse:
    """Make a link that lets a person choose a password; for who lost theirs, or never had one.

    Raises:
        RoleNotYoursError: the person is not of a lower rank than the asking one.
    """
    user, who = _find(user_id), identity.current()
    if user.id == who.user_id:
        # one's own password is changed by whoever knows it, not by whoever found the screen unlocked
        said.refused(gettext("This is you. Ask a colleague to change your own role or access."))
        return redirect(url_for("portal.one_person", user_id=user_id), 303)
    proven = staff.make_link(
        scope.session(),
        tenant_id=who.tenant_id,
        user_id=user.id,
        is_new=user.signed_in_at is None,
        by=who.permissions,
        principal_id=who.principal_id,
    )
    if user.signed_in_at is not None and invitations.is_mailed():
        # whoever has come in before gets it alone: nobody chooses a password for another
        invitations.mail_reset(user)
        said.done(gettext("A link is on its way to %(email)s, and shown to nobody else.", email=user.email))
        return redirect(url_for("portal.one_person", user_id=user_id), 303)
    link = _link(user.id, proven)
    invitations.mail(user, link)
    return make_response(_shown(user, link=link), 201)


@pages.post("/people/<user_id>/role")
@permission("users.write")
def change_role(user_id: str) -> BaseResponse:
    """Give somebody another role; the person signs in again with it."""
    return _change_role(_find(user_id), request.form.get("role", ""))


@pages.post("/people/<user_id>/settle-role")
@permission("users.write")
def settle_role(user_id: str) -> BaseResponse:
    """Carry out what was chosen on the page of a conflict, unless there is the next one."""
    if request.form.get("role-side") != "yours":
        return redirect(url_for("portal.one_person", user_id=user_id), 303)
    return _change_role(_find(user_id), request.form.get("wanted", ""))


@pages.post("/people/<user_id>/shut-out")
@permission("users.write")
def shut_out(user_id: str) -> BaseResponse:
    """Let somebody in no more; sessions end at once."""
    user, who = _find(user_id), identity.current()
    return _acted(
        user,
        lambda: staff.shut_out(
            scope.session(),
            tenant_id=who.tenant_id,
            user_id=user.id,
            by=who.permissions,
            principal_id=who.principal_id,
        ),
        gettext("%(name)s can no longer sign in.", name=user.name),
        undo=("let-in", {}),
    )


@pages.post("/people/<user_id>/second-step")
@permission("users.write")
def take_second_step(user_id: str) -> BaseResponse:
    """Take codes and passkeys from somebody who has lost them.

    Raises:
        SignInAgainError: the sign-in is too long ago.
        NoMailError: the person could not be told.
    """
    user, who = _find(user_id), identity.current()
    if not who.is_fresh:
        raise SignInAgainError
    invitations.insist_is_mailed()
    return _acted(
        user,
        lambda: staff.take_second_step(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            user_id=user.id,
            principal_id=who.principal_id,
        ),
        gettext("%(name)s signs in by the password alone until they set it up again.", name=user.name),
    )


@pages.post("/people/<user_id>/let-in")
@permission("users.write")
def let_in(user_id: str) -> BaseResponse:
    """Let somebody in again."""
    user, who = _find(user_id), identity.current()

    def act() -> list[SessionId]:
        staff.let_in(
            scope.session(),
            tenant_id=who.tenant_id,
            user_id=user.id,
            by=who.permissions,
            principal_id=who.principal_id,
        )
        return []

    return _acted(user, act, gettext("%(name)s can sign in again.", name=user.name))


def _change_role(user: User, role: str) -> BaseResponse:
    """Give somebody another role, unless somebody else has changed it since the page was opened."""
    who, user_id = identity.current(), ids.public("usr", user.id)
    if request.form.get("was", "") != ",".join(user.roles):
        field = edits.Field("role", gettext("Role"))
        return edits.conflicting(
            user.name,
            edits.differences(
                [field], yours={"role": _word([role])}, theirs={"role": words.role(user.roles)}
            ),
            action=url_for("portal.settle_role", user_id=user_id),
            revision=0,
            back=url_for("portal.one_person", user_id=user_id),
            nav="people",
            kept={"wanted": role, "was": ",".join(user.roles)},
        )
    return _acted(
        user,
        lambda: staff.change_roles(
            scope.session(),
            tenant_id=who.tenant_id,
            user_id=user.id,
            roles=[role] if role in _ROLES else [],
            by=who.permissions,
            principal_id=who.principal_id,
        ),
        gettext("%(name)s is now: %(role)s.", name=user.name, role=_word([role])),
        undo=("role", {"role": user.roles[0], "was": role}) if len(user.roles) == 1 else None,
    )


def _acted(
    user: User,
    act: Callable[[], list[SessionId]],
    text: str,
    undo: tuple[str, dict[str, str]] | None = None,
) -> BaseResponse:
    """Act on somebody, say so, and end what has to end; nobody acts on oneself here."""
    where = url_for("portal.one_person", user_id=ids.public("usr", user.id))
    if user.id == identity.current().user_id:
        said.refused(gettext("This is you. Ask a colleague to change your own role or access."))
        return redirect(where, 303)
    try:
        ended = act()
    except (LastOwnerError, RoleNotYoursError) as error:
        said.why(error)
        return redirect(where, 303)
    services, tenant_id = scope.services(), identity.current().tenant_id
    scope.after_commit(lambda: signing.tell_ended(services, tenant_id=tenant_id, session_ids=ended))
    said.done(text, undo=f"{where}/{undo[0]}" if undo else "", fields=undo[1] if undo else None)
    return redirect(where, 303)


def _find(user_id: str) -> User:
    return users.read(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        user_id=UserId(ids.parse("usr", user_id)),
    )


def _link(user_id: UserId, proven: str) -> str:
    who = identity.current()
    return invitations.link(invitations.Invitation(who.tenant_id, user_id, who.principal_id, proven))


def _row(user: User) -> PersonRow:
    state = "disabled" if user.status != "active" else "active" if user.signed_in_at else "invited"
    return PersonRow(
        id=ids.public("usr", user.id),
        name=user.name,
        email=user.email,
        role=words.role(user.roles),
        state=state,
        signed_in_at=user.signed_in_at,
        is_me=user.id == identity.current().user_id,
    )


def _word(roles: list[str]) -> str:
    return words.role(tuple(roles))


def _offered() -> list[tuple[str, str, str]]:
    """Return the roles the asker may give: value, word, what it means."""
    meaning = {
        "tenant_owner": gettext("Everything, and closes the company"),
        "tenant_admin": gettext("Seats, numbers, people, invoices, keys"),
        "tenant_supervisor": gettext("Queues, customers, recordings"),
        "tenant_analyst": gettext("Figures and calls; no recordings, no money"),
    }
    mine = identity.current().permissions
    return [
        (name, _word([name]), meaning.get(name, "")) for name in _ROLES if ROLES[name].permissions <= mine
    ]


def _form(given: dict[str, str], errors: dict[str, str] | None = None) -> str:
    return render_template(
        "portal/person_new.html",
        given={"name": "", "email": "", "role": "tenant_analyst"} | given,
        errors=errors or {},
        roles=_offered(),
    )


def _shown(user: User, *, link: str = "") -> str:
    who = identity.current()
    may_change = (
        "users.write" in who.permissions
        and user.id != who.user_id
        and permitted(user.roles) <= who.permissions
    )
    session = scope.session()
    done = access_log.of_user(session, tenant_id=who.tenant_id, user_id=user.id, limit=_HISTORY)
    keys = apikeys.made_by(session, tenant_id=who.tenant_id, user_id=user.id) if may_change else []
    return render_template(
        "portal/person.html",
        person=_row(user),
        role=user.roles[0] if len(user.roles) == 1 else "",
        was=",".join(user.roles),
        created_at=user.created_at,
        roles=_offered(),
        may_change=may_change,
        may_link=may_change
        and staff.may_link(roles=user.roles, is_new=user.signed_in_at is None, by=who.permissions),
        keys=[key.name for key in keys],
        deeds=access.rows(done),
        may_take_step=may_change
        and OWNER in who.roles
        and OWNER not in user.roles
        and invitations.is_mailed()
        and staff.has_second_step(session, tenant_id=who.tenant_id, user_id=user.id),
        link=link,
        days=invitations.DAYS,
        is_mailed=invitations.is_mailed(),
    )
