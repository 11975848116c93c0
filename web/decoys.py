"""What happens when somebody opens a decoy: an alarm for the company, and the end of their session, at once.

Whatever they had begun is rolled back and shown to nobody. The answer is that of a session that is over, so
that nobody learns which customer it was.
"""

from uuid import UUID

from flask import Flask, Response

from core.ids import CustomerId, TenantId, public
from customers.errors import DecoyOpenedError
from security.gate import Kind
from tenants import alarms, apikeys, sessions
from web import errors, identity, refusals, scope
from web.account import signing
from web.identity import BadKeyError, NotSignedInError, Principal

ALARM = "decoy-opened"


def install(app: Flask) -> None:
    """Answer whoever opens a decoy, whatever page or operation it was."""
    app.register_error_handler(DecoyOpenedError, answer)


def answer(error: DecoyOpenedError) -> Response:
    """Raise the alarm, lock whoever did it, and answer as to a session that is over."""
    who = identity.known()
    scope.leave()
    tenant_id = TenantId(UUID(str(error.details["tenant_id"])))
    customer_id = CustomerId(UUID(str(error.details["customer_id"])))
    _alarm(tenant_id, customer_id, who)
    refusals.count("decoy", company_id=tenant_id)
    if who is None:
        return errors.say(errors.problem_of(error))
    _lock(who)
    return errors.say(errors.problem_of(BadKeyError() if who.key_id else NotSignedInError()))


def _alarm(tenant_id: TenantId, customer_id: CustomerId, who: Principal | None) -> None:
    by = public("key" if who.key_id else "usr", who.principal_id) if who else ""
    principal_id = who.principal_id if who else tenant_id
    with scope.within(tenant_id, principal_id=principal_id, kind=Kind.SYSTEM) as session:
        alarms.raise_alarm(
            session,
            ALARM,
            tenant_id=tenant_id,
            subject=public("cus", customer_id),
            by=by,
            door=who.door.value if who else "",
        )


def _lock(who: Principal) -> None:
    """End every session of the person, or revoke the key."""
    with scope.within(who.tenant_id, principal_id=who.principal_id) as session:
        if who.key_id is not None:
            apikeys.revoke(session, tenant_id=who.tenant_id, key_id=who.key_id, by=who.principal_id)
            return
        ended = sessions.end_all(session, tenant_id=who.tenant_id, user_id=who.user_id)
    signing.tell_ended(scope.services(), tenant_id=who.tenant_id, session_ids=ended)
