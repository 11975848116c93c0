"""The record of access as pages show it: who did what, to whom, in words and with names."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext

from core import ids
from tenants import apikeys, users
from tenants.access_log import Deed, Entry
from web import identity, scope, words


@dataclass(frozen=True, slots=True)
class DeedRow:
    """One deed; `url` leads to the person or the keys."""

    at: dt.datetime
    by: str
    deed: str
    about: str
    url: str


def rows(entries: Sequence[Entry]) -> list[DeedRow]:
    """Return entries with the names of people and keys; who is not there any more has none."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    named = {one for entry in entries for one in (entry.by, entry.user_id, entry.key_id) if one}
    people = users.names(session, tenant_id=tenant_id, vault=scope.services().vault, user_ids=named)
    keys = apikeys.names(session, tenant_id=tenant_id, key_ids=named)
    known = people | {key_id: gettext("the key “%(name)s”", name=name) for key_id, name in keys.items()}
    return [
        DeedRow(
            at=one.at,
            by=known.get(one.by, gettext("somebody else")),
            deed=_words(one),
            about=known.get(one.user_id or one.key_id or one.by, gettext("somebody else")),
            url=f"/portal/people/{ids.public('usr', one.user_id)}" if one.user_id else "/portal/developers",
        )
        for one in entries
    ]


def _words(entry: Entry) -> str:
    match entry.deed:
        case Deed.INVITED:
            return str(gettext("Invited as %(role)s", role=words.role(entry.now)))
        case Deed.LINK_MADE:
            return str(gettext("Made a link that sets another password"))
        case Deed.CHOSEN:
            return str(gettext("A password was chosen by their link"))
        case Deed.ROLE_CHANGED:
            return str(
                gettext(
                    "Changed the role from %(was)s to %(now)s",
                    was=words.role(entry.was),
                    now=words.role(entry.now),
                )
            )
        case Deed.SHUT_OUT:
            return str(gettext("Shut out"))
        case Deed.LET_IN:
            return str(gettext("Let in again"))
        case Deed.STEP_TAKEN:
            return str(gettext("Took a lost second step away"))
        case Deed.KEY_MADE:
            return str(gettext("Made the key"))
        case Deed.KEY_REVOKED:
            return str(gettext("Revoked the key"))
