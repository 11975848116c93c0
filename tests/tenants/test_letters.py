"""Letters in their rows: sealed, sent once, forgotten afterwards; and what they say in both languages."""

import datetime as dt
import string

import pytest
from sqlalchemy import text

from core import clock, events
from core.ids import LetterId
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import letters
from tenants.events import LetterOwed
from tenants.letters import wording
from tenants.letters.wording import Kind
from tenants.users import User
from tests.tenants.people import People

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
LINK = "https://calls.example/welcome/s3cret?a=1&b=2"


class Facts(dict[str, str]):
    """Something for every gap."""

    def __missing__(self, name: str) -> str:
        return LINK if name == "link" else f"<{name}>"


def owed(gate: Gate, vault: Vault, user: User, scope: Scope) -> LetterOwed:
    with gate.open(scope) as session:
        letter_id = letters.put(
            session,
            tenant_id=scope.tenant_id,
            vault=vault,
            kind=Kind.INVITATION,
            to=user,
            facts=Facts(
                name=user.name, email=user.email, by="Bob", company="Pelican Parcel", days="3", link=LINK
            ),
            good_for=dt.timedelta(days=3),
        )
        (announced,) = session.scalars(text("SELECT payload FROM app.outbox WHERE name = 'LetterOwed'")).all()
    found = events.rebuild("LetterOwed", announced)
    assert isinstance(found, LetterOwed)
    assert found.letter_id == letter_id
    return found


def row(gate: Gate, scope: Scope, letter_id: LetterId) -> tuple[str, bytes | None]:
    with gate.open(scope) as session:
        found = session.execute(
            text("SELECT state, content FROM app.letters WHERE id = :id"), {"id": letter_id}
        ).one()
    return found.state, found.content


def test_a_letter_waits_sealed_and_is_forgotten_once_it_is_sent(
    gate: Gate, vault: Vault, people: People
) -> None:
    scope = Scope.system(people.company().tenant_id)
    user = people.user(scope.tenant_id, "Alice")
    event = owed(gate, vault, user, scope)
    state, content = row(gate, scope, event.letter_id)
    assert state == "waiting"
    assert content is not None
    for said in ("alice", "Pelican", "s3cret"):
        assert said.encode() not in content
        assert said not in event.payload()
    with gate.open(scope) as session:
        letter = letters.take(session, vault=vault, owed=event)
        assert letter is not None
        assert (letter.to, letter.to_name) == (user.email, user.name)
        assert LINK in letter.text
        letters.settle(session, owed=event, state=letters.State.SENT)
    assert row(gate, scope, event.letter_id) == ("sent", None)
    with gate.open(scope) as session:
        assert letters.take(session, vault=vault, owed=event) is None, "it is sent once"


def test_a_letter_whose_time_is_over_is_not_sent(gate: Gate, vault: Vault, people: People) -> None:
    scope = Scope.system(people.company().tenant_id)
    user = people.user(scope.tenant_id, "Alice")
    with clock.hold(NOW):
        event = owed(gate, vault, user, scope)
    with clock.hold(NOW + dt.timedelta(days=3)), gate.open(scope) as session:
        assert letters.take(session, vault=vault, owed=event) is None
    assert row(gate, scope, event.letter_id) == ("late", None)


def test_another_company_finds_no_letter(gate: Gate, vault: Vault, people: People) -> None:
    scope = Scope.system(people.company().tenant_id)
    event = owed(gate, vault, people.user(scope.tenant_id, "Alice"), scope)
    theirs = Scope.system(people.company("Heron Homes").tenant_id)
    with gate.open(theirs) as session:
        assert letters.take(session, vault=vault, owed=event) is None
        forged = LetterOwed(tenant_id=theirs.tenant_id, letter_id=event.letter_id)
        assert letters.take(session, vault=vault, owed=forged) is None


def test_old_letters_are_swept_whatever_became_of_them(gate: Gate, vault: Vault, people: People) -> None:
    scope = Scope.system(people.company().tenant_id)
    user = people.user(scope.tenant_id, "Alice")
    with clock.hold(NOW):
        owed(gate, vault, user, scope)
    for days, left in ((30, 1), (31, 0)):
        with clock.hold(NOW + dt.timedelta(days=days)), gate.open(scope) as session:
            letters.sweep(session, tenant_id=scope.tenant_id)
            assert session.execute(text("SELECT count(*) FROM app.letters")).scalar_one() == left


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("language", "tag"), [("en", "en"), ("zh_Hans_CN", "zh-CN"), ("tlh", "en")])
def test_every_letter_is_written_in_every_language(kind: Kind, language: str, tag: str) -> None:
    said = wording.words(kind, language=language, facts=Facts())
    assert said.tag == tag
    assert f'<html lang="{tag}">' in said.html
    assert ("link" in gaps(kind)) == (LINK in said.text)
    assert "<name>" not in said.html, "what people wrote is escaped"
    assert "http" not in said.html.replace(LINK.replace("&", "&amp;"), ""), "nothing is fetched from anywhere"
    assert all(len(line) < 200 for line in said.subject.splitlines())


@pytest.mark.parametrize("kind", Kind)
def test_both_languages_of_a_letter_have_the_same_gaps(kind: Kind) -> None:
    assert gaps(kind, "en") == gaps(kind, "zh_Hans_CN")


def gaps(kind: Kind, language: str = "en") -> set[str]:
    form = wording._FORMS[kind][language]
    sentences = " ".join((form.subject, *form.before, *form.after))
    named = {name for _, name, _, _ in string.Formatter().parse(sentences) if name}
    return named | ({"link"} if form.link else set())
