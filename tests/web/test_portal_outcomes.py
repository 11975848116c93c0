"""How a contact may end, as the company sets it in the portal."""

import pytest

from customers import dispositions
from security.gate import Gate, Scope
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast

COMPLAINT = {"code": "complaint", "label_en": "Complaint", "label_zh": "投诉", "position": "1", "parent": ""}
LATE = COMPLAINT | {
    "code": "late",
    "label_en": "Late parcel",
    "label_zh": "包裹延误",
    "parent": "complaint",
}


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    assert made.sign_in(cast.alice.email).status_code == 303
    return made


def test_outcomes_stand_under_outcomes_and_are_retired(alice: Browser, gate: Gate, cast: Cast) -> None:
    alice.post("/portal/outcomes", LATE)
    assert "cannot stand there" in alice.get("/portal/outcomes").get_data(as_text=True)
    for form in (COMPLAINT, LATE):
        assert alice.post("/portal/outcomes", form).status_code == 303
    page = alice.get("/portal/outcomes").get_data(as_text=True)
    assert (
        page.index("<b>Complaint</b>") < page.index('<li class="under">') < page.index("<b>Late parcel</b>")
    )
    assert alice.post("/portal/outcomes/late/retire", {}).status_code == 303
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (one,) = dispositions.offered(session, tenant_id=cast.a.tenant_id)
    assert one.code == "complaint"


def test_a_supervisor_sees_them_and_changes_nothing(
    browser: Browsers, people: People, gate: Gate, cast: Cast
) -> None:
    nora = browser()
    nora.sign_in(people.user(cast.a.tenant_id, "Nora", "tenant_supervisor").email)
    assert "/portal/outcomes/" not in nora.get("/portal/outcomes").get_data(as_text=True)
    assert nora.post("/portal/outcomes", COMPLAINT).status_code == 403
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert dispositions.offered(session, tenant_id=cast.a.tenant_id) == []
