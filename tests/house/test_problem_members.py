"""What errors say to programs by name: each value an error is given goes out, or is held back with reason."""

import ast
import typing
from collections import defaultdict

from core.errors import NotFound, SeatlineError
from tests.house import rooms
from web import members
from web.api.schema import Problem

# what everybody reads of every problem; no value may take such a name
ORDINARY = {"type", "title", "status", "code", "detail", "request_id", "errors", "instance"}
# told in another way, by every code
ELSEWHERE = {
    "field": "stands among `errors`",
    "fields": "stand among `errors`, or on a page",
    "faults": "stand among `errors`",
    "revision": "the ETag says it",
    "version": "the ETag says it, or it is the staff's",
}
# by code: why a program is not told
HELD_BACK = {
    "agent-number-taken": "agents are the operator's",
    "bad-api-key": "whose key it was is nobody's business",
    "key-in-address": "whose key it was is nobody's business",
    "key-elsewhere": "the company of a key that came from somewhere else",
    "bill-held": "the staff's, by a raw id",
    "billing-account-invalid": "the staff's",
    "call-in-hand": "an agent may be in another company's call",
    "illegal-transition": "an agent may be in another company's call",
    "wrong-payer": "an agent may be in another company's call",
    "wrong-subject": "an agent may be in another company's call",
    "channel-gone": "the switch's own",
    "switch-failed": "the switch's own",
    "clearance-expired": "the switchboard's own, by a raw id",
    "forbidden-since": "the switchboard's own, by a raw id",
    "code-in-use": "how many companies share a code",
    "cost-share-payer": "why another company cannot pay",
    "cost-share-invalid": "names another company",
    "currency-mismatch": "a fault of ours",
    "journal-unbalanced": "a fault of ours",
    "tariff-corrupt": "a fault of ours",
    "demo-refused": "the installation's own",
    "malformed-mail-url": "the installation's own",
    "e-invoice-refused": "rules of a paper, which its page says in words",
    "flow-faulty": "a draft's findings are read from the draft",
    "key-state": "the staff's",
    "key-too-early": "the staff's",
    "key-built-upon": "the staff's",
    "purpose-not-rotated": "the staff's",
    "key-taken": "says which directory knows a key",
    "news-refused": "helps whoever forges the provider's news",
    "not-permitted": "what a role lacks is the people's own; a key's scope goes out",
    "number-kind": "the staff's",
    "payment-mismatch": "the provider's own",
    "payment-provider-away": "the provider's own",
    "payment-provider-refuses": "the provider's own",
    "payment-under-way": "a raw id",
    "period-invalid": "repeats what was asked",
    "pin": "of which PIN it is said the page knows",
    "price-list-change": "the staff's",
    "price-list-invalid": "the staff's",
    "price-list-taken": "the staff's",
    "price-list-version-published": "the staff's",
    "queue-in-use": "names of what another scope reads",
    "seat-already-rented": "by a raw id, maybe of another company's seat",
    "seat-label-taken": "the staff's",
    "seat-taken": "by a raw id",
    "series-in-use": "the staff's",
    "service-not-counted": "the staff's",
    "speech-unavailable": "the installation's own",
    "tariff-conflict": "the staff's",
    "transfer-queue-closed": "the console's own words",
    "unknown-disposition": "repeats what was asked, by a name everybody reads",
    "usage-invalid": "repeats what was reported",
    "usage-unrated": "the staff's",
}


def given() -> dict[str, set[str]]:
    """Return by code which values errors are given anywhere in the rooms; what is not there is left out."""
    rooms.import_everything()
    known = {one.__name__: one for one in rooms.subclasses(SeatlineError)}
    found: dict[str, set[str]] = defaultdict(set)
    for file in rooms.sources():
        for node in ast.walk(rooms.tree(file)):
            if not isinstance(node, ast.Call):
                continue
            error = known.get(getattr(node.func, "id", getattr(node.func, "attr", "")))
            if error is not None and not issubclass(error, NotFound):
                found[error.code] |= {one.arg for one in node.keywords if one.arg}
    return found


def test_each_value_an_error_is_given_goes_out_by_name_or_is_held_back_with_a_reason() -> None:
    nowhere = {
        (code, name)
        for code, names in given().items()
        for name in names - set(members.TOLD.get(code, ())) - set(ELSEWHERE)
        if code not in HELD_BACK
    }
    assert not nowhere, "add them to web.members.TOLD, or here with a reason"


def test_nothing_stands_in_a_list_that_no_error_has() -> None:
    there = given()
    assert {
        (code, name) for code, names in members.TOLD.items() for name in names if name not in there[code]
    } == set()
    assert {code for code in HELD_BACK if not there[code]} == set()


def test_what_is_not_there_says_nothing() -> None:
    rooms.import_everything()
    missing = {one.code for one in rooms.subclasses(SeatlineError) if issubclass(one, NotFound)}
    assert not missing & set(members.TOLD)


def test_every_member_is_described_and_takes_no_name_that_everybody_reads() -> None:
    described = set(Problem.model_fields) - ORDINARY
    told = {name for names in members.TOLD.values() for name in names}
    assert told == described
    for name in told:
        said = Problem.model_fields[name]
        assert said.description
        assert set(typing.get_args(said.annotation)) <= {int, str, list[str], type(None)}


def test_a_value_of_another_kind_stays_in() -> None:
    class OddError(SeatlineError):
        code = "not-enough-seats"

    assert members.of(OddError(asked=3, free=0)) == {"asked": 3, "free": 0}
    assert members.of(OddError(asked=True, free=None, label="A-01")) == {}
    assert members.of(OddError(asked={"of": 3}, free=[1])) == {}
