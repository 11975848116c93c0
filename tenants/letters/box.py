"""Letters on their way: one row each, the recipient and every word that is theirs sealed in it.

`put` owes a letter in the transaction that gives the reason for it; `take` opens it for the worker, which
sends it with no transaction open; `settle` writes down what came of it and forgets the content. A worker that
dies between the two sends the same letter again, under the same `Message-ID`.
"""

import datetime as dt
import json
from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import LetterId, TenantId, UserId, new_id
from core.mail import Letter
from security.vault import Field, Vault
from tenants import users
from tenants.events import LetterOwed
from tenants.letters import wording
from tenants.letters.wording import Kind
from tenants.models import LetterRow
from tenants.users import User

WEEK = dt.timedelta(days=7)
_KEPT = dt.timedelta(days=30)


class State(StrEnum):
    """What became of a letter."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"  # by the server, for good
    LATE = "late"  # what it says is over
    UNSENT = "unsent"  # this installation sends no mail


def put(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    kind: Kind,
    to: User,
    facts: Mapping[str, str],
    good_for: dt.timedelta = WEEK,
) -> LetterId:
    """Owe a letter to one of the company's people; it is sent once this transaction stands.

    Args:
        session: in the company's context.
        tenant_id: the company.
        vault: seals address, name and facts.
        kind: what it says.
        to: whose address and language it takes.
        facts: what fills the gaps in its words (`tenants.letters.wording`).
        good_for: a letter that could not be sent for so long is not sent any more.
    """
    letter_id = LetterId(new_id())
    content = {"to": to.email, "name": to.name, "language": to.language, "facts": dict(facts)}
    now = clock.now()
    row = LetterRow(
        tenant_id=tenant_id,
        id=letter_id,
        kind=kind.value,
        user_id=to.id,
        content=vault.seal(_field(tenant_id, letter_id), json.dumps(content)),
        state=State.WAITING.value,
        written_at=now,
        good_until=now + good_for,
        settled_at=None,
    )
    session.add(row)
    session.flush()
    announce(session, LetterOwed(tenant_id=tenant_id, letter_id=letter_id))
    return letter_id


def tell(
    session: Session,
    kind: Kind,
    *,
    tenant_id: TenantId,
    vault: Vault,
    user_id: UserId,
    good_for: dt.timedelta = WEEK,
    **facts: str,
) -> None:
    """Owe somebody a letter about their own access; name and e-mail need not be given."""
    user = users.read(session, tenant_id=tenant_id, vault=vault, user_id=user_id)
    known = {"name": user.name, "email": user.email}
    put(
        session,
        tenant_id=tenant_id,
        vault=vault,
        kind=kind,
        to=user,
        facts=known | facts,
        good_for=good_for,
    )


def take(session: Session, *, vault: Vault, owed: LetterOwed) -> Letter | None:
    """Return the letter to send, or None when there is nothing to send any more."""
    row = session.get(LetterRow, (owed.tenant_id, owed.letter_id))
    if row is None or row.content is None:
        return None
    if clock.now() >= row.good_until:
        settle(session, owed=owed, state=State.LATE)
        return None
    content = json.loads(vault.open(_field(row.tenant_id, row.id), row.content))
    words = wording.words(Kind(row.kind), language=content["language"], facts=content["facts"])
    return Letter(
        name=row.id.hex,
        to=content["to"],
        to_name=content["name"],
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=words.tag,
    )


def settle(session: Session, *, owed: LetterOwed, state: State) -> None:
    """Write down what became of a letter, and forget what it said and to whom."""
    row = session.get(LetterRow, (owed.tenant_id, owed.letter_id))
    if row is not None:
        row.state, row.content, row.settled_at = state.value, None, clock.now()
        session.flush()


def sweep(session: Session, *, tenant_id: TenantId) -> None:
    """Forget letters of a month ago, and with them those that never got out."""
    session.execute(
        delete(LetterRow).where(LetterRow.tenant_id == tenant_id, LetterRow.written_at < clock.now() - _KEPT)
    )


def _field(tenant_id: UUID, letter_id: UUID) -> Field:
    return Field(tenant_id, "letters", "content", letter_id, 1)
