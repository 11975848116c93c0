"""What lets one in has changed: other sessions end, and this one gets a new secret (ASVS 5.0, 7.2.4)."""

from tenants import sessions
from web import cookies, identity, scope
from web.account import signing


def renew() -> None:
    """End all sessions of who is asking and begin this one anew: whoever had the old cookie is out."""
    who, services, session = identity.current(), scope.services(), scope.session()
    ended = sessions.end_all(session, tenant_id=who.tenant_id, user_id=who.user_id)
    started = sessions.start(session, tenant_id=who.tenant_id, user_id=who.user_id)
    cookies.current().issue(started.secret)
    scope.after_commit(lambda: signing.tell_ended(services, tenant_id=who.tenant_id, session_ids=ended))
