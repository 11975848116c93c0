"""What a company has beyond a day of calls: campaigns, money that came in, rentals, webhooks; and an agent.

Each of these returns the addresses of the pages it has filled.
"""

import io
import re
from dataclasses import dataclass
from itertools import cycle

from sqlalchemy import text

from billing import periods, tariffs, wallets
from billing import rentals as rented
from billing import usage as metered
from billing.payments import top_ups
from billing.rating.rentals import RentalPrice, Span
from campaigns import attempts, plans
from campaigns.attempts import End
from campaigns.plans import Campaign
from campaigns.rules import Outcome, State
from core import clock, ids, long_jobs
from core.ids import OPERATOR, LeadImportId, LetterId, TenantId, UserId, new_id
from core.money import NANO
from core.storage import Storage
from seats import roster
from seats import stock as seating
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers, shared_codes
from tenants import letters, resets, second_step
from tenants.events import LetterOwed
from tenants.users import User
from tenants.webhooks import deliveries
from tests.billing import stock
from tests.campaigns import factory as campaigning
from tests.factories import agreements, payments, telephony
from tests.factories.payments import card, visit
from tests.factories.telephony import Line
from tests.seats.factory import stocked
from tests.tenants.people import People
from tests.web.conftest import HOST, Browser, found
from wiring import collecting

AGENT = 1009  # Bob's number
LEADS = campaigning.csv_bytes(
    ("phone", "name", "Parcel"),
    *((f"+4420794601{at:02d}", f"Lead {at}", f"P-{at}") for at in range(40)),
    ("nobody", "=cmd()", "a very long field " * 12),
    ("+442079460101", "Twice", ""),
)
OUTCOMES = (
    Outcome.CONNECTED,
    Outcome.NO_ANSWER,
    Outcome.BUSY,
    Outcome.MACHINE,
    Outcome.CONNECTED,
    Outcome.UNALLOCATED,
)
RENTALS = (
    RentalPrice("seat.month", "seats", 96 * NANO),
    RentalPrice("seat.hour", "seats", 4_200_000_000),
    RentalPrice("number.tollfree", "seats", 12_500_000_000),
)


def campaigns(alice: Browser, line: Line, *, gate: Gate, vault: Vault, storage: Storage) -> list[str]:
    """Make a draft with a list that is looked at, a campaign that dials and one that is finished."""
    made = {
        name: campaigning.campaign(gate, line.tenant_id, line=line, name=name)
        for name in ("Spring draft", "Winter slot changes", "Autumn reminders")
    }
    draft, running, finished = made.values()
    pages = []
    for one in (running, finished):
        where = _uploaded(alice, one)
        alice.post(where, {"act": "import", "other-2": "yes", **_as_found(alice.get(where).text)})
        read = LeadImportId(ids.parse("limp", where.rsplit("/", 1)[1]))
        done = campaigning.read(gate, vault, storage, line.tenant_id, read)
        assert (done.accepted, done.bad) == (40, 1)
        _dialled(gate, vault, one)
        pages.append(where)
    _turned(gate, finished, State.FINISHED)
    return [
        *pages[:1],
        _uploaded(alice, draft),
        *(path(one) for one in made.values()),
        f"{path(draft)}/edit",
        f"{path(running)}/leads",
        f"{path(running)}/leads?state=reached",
    ]


def path(campaign: Campaign) -> str:
    return f"/portal/campaigns/{ids.public('cmp', campaign.campaign_id)}"


def _uploaded(alice: Browser, campaign: Campaign) -> str:
    file = {"file": (io.BytesIO(LEADS), "leads.csv")}
    answer = alice.post(f"{path(campaign)}/lists", file, content_type="multipart/form-data")
    return answer.location


def _as_found(page: str) -> dict[str, str]:
    select = r'<select class="select" id="c-\w+" name="(\w+)">.*?<option value="([^"]*)" selected'
    return dict(re.findall(select, page))


def _turned(gate: Gate, campaign: Campaign, to: State) -> None:
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        plans.turn(
            session,
            tenant_id=campaign.tenant_id,
            campaign_id=campaign.campaign_id,
            to=to,
            by=campaigning.BY,
        )


def _dialled(gate: Gate, vault: Vault, campaign: Campaign) -> None:
    """Let a campaign call some: every outcome, one refused at the gate, two in progress."""
    _turned(gate, campaign, State.RUNNING)
    tenant_id, now = campaign.tenant_id, clock.now()
    with gate.open(Scope.system(tenant_id)) as session:
        first, *others = attempts.claim(
            session,
            tenant_id=tenant_id,
            vault=vault,
            campaign_id=campaign.campaign_id,
            zones={"Europe/London"},
            most=20,
            at=now,
        )
        attempts.refuse(
            session,
            tenant_id=tenant_id,
            attempt_id=first.attempt_id,
            reason="do-not-call",
            at=now,
            retry_at=None,
        )
        for claim, outcome in zip(others[:-2], cycle(OUTCOMES), strict=False):
            end = End(outcome=outcome, ended_at=now)
            attempts.settle(session, tenant_id=tenant_id, attempt_id=claim.attempt_id, end=end)


@dataclass(frozen=True)
class Paid:
    """What the company and what the operator may look at, once there was money."""

    company: list[str]
    operator: list[str]


def money(otto: Browser, dana: Browser, means: collecting.Means, tenant_id: TenantId) -> Paid:
    """Pay an invoice of calls and a seat after a declined card."""
    version = stock.publish(means.gate, code="courier", rentals=RENTALS)
    october = periods.month(2026, 10, zone="Europe/London")
    seat = Span(rental_id=new_id(), meter="seat.month", starts_at=october.start, ends_at=october.end)
    with means.gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, price_list="courier")
        rented.charge(session, tenant_id=tenant_id, spans=[seat], until=october.end)
    invoice = payments.path_of(payments.another(means.gate, tenant_id, month=10))
    leads = otto.post("/portal/payment-methods")
    back = visit(leads.location, card(payments.PAID)).location
    assert otto.get(back.removeprefix(HOST)).status_code == 303
    page = otto.post(f"{invoice}/pay").location
    visit(page, card(payments.DECLINED))
    back = visit(page, card(payments.PAID)).location
    assert otto.get(back.removeprefix(HOST)).location == invoice
    collecting.sweep(means)
    with means.gate.open(Scope.system(tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=tenant_id)
        top_up, _ = top_ups.begin(
            session,
            tenant_id=tenant_id,
            account="acct_test",
            top_up_id=new_id(),
            amount_minor=5000,
            by_user=UserId(new_id()),
        )
    paid = dana.get("/operator/payments").text
    story = found(r'href="(/operator/companies/ten_[0-9a-z]+/payments/pay_[0-9a-z]+)"', paid)
    lines = sorted(set(re.findall(rf"{invoice}/lines/\d+", otto.get(invoice).text)))
    wallet = f"/operator/companies/{ids.public('ten', tenant_id)}/wallet"
    return Paid([invoice, *lines], [story, f"{wallet}/top-ups/{ids.public('top', top_up.top_up_id)}"])


def rentals(alice: Browser, gate: Gate, tenant_id: TenantId) -> list[str]:
    """Rent two seats, give one back, and let numbers be there to be found."""
    version = stock.publish(gate, effective_from=clock.now(), rentals=RENTALS)
    with gate.open(Scope.system(tenant_id)) as session:
        tariffs.take(session, tenant_id=tenant_id, version=version)
    for place in range(4):
        stocked(gate, label=f"R-{place}")
    telephony.stocked(gate, "+448081570190")
    month = "/portal/seats/rent?kind=month&count=2"
    page = alice.get(month).text
    inside = page.rpartition('action="/portal/seats/rent"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', inside))
    assert alice.post("/portal/seats/rent", fields).status_code == 303
    lease = found(r'action="(/portal/seats/lease_[0-9a-z]+)/release"', alice.get("/portal/seats").text)
    assert alice.post(f"{lease}/release").status_code == 303
    return [
        month,
        "/portal/seats/rent?kind=month&count=90",
        "/portal/seats/rent?kind=hour&count=1&day=2026-11-27&from=13:00&until=18:00",
        "/portal/numbers?digits=70190",
    ]


def webhooks(alice: Browser, gate: Gate, tenant_id: TenantId) -> list[str]:
    """Have a webhook with a delivery that was missed and one under way."""
    asked = {"url": "https://hooks.example.com/in", "types": ["call.ended"]}
    assert alice.post("/portal/webhooks", asked).status_code == 200
    hook = found(r'"(/portal/webhooks/whk_[0-9a-z]+)"', alice.get("/portal/webhooks").text)
    for version, on in (("1", ""), ("2", "1")):
        alice.post(f"{hook}/switch", {"version": version, **({"on": on} if on else {})})
        with gate.open(Scope.system(tenant_id)) as session:
            deliveries.tell(session, tenant_id=tenant_id, event_type="call.ended", data={"call": "call_x"})
    delivery = found(r"(dlv_[0-9a-z]{26})", alice.get(hook).text)
    return [hook, f"{hook}/deliveries/{delivery}"]


def long_job(gate: Gate, tenant_id: TenantId) -> str:
    """Let a long job be half done."""
    job_id = new_id()
    with gate.open(Scope.system(OPERATOR)) as session:
        long_jobs.note(session, job_id=job_id, kind="leads.read", done=400, total=1000, company_id=tenant_id)
    return ids.public("job", job_id)


def stocked_up(gate: Gate) -> dict[str, str]:
    """Return a seat, a number and a shared code in stock, by the names that addresses have for them."""
    with gate.open(Scope.system(OPERATOR)) as session:
        seat = seating.add(session, label="S-1")
        number = numbers.in_stock(session)[0]
        code = numbers.stock(session, digits="1252", region="GB")
        shared_codes.share(session, number_id=code.number_id, greeting="Welcome.", language="en")
    return {
        "seat_id": ids.public("seat", seat.id),
        "number_id": ids.public("num", number.number_id),
        "code_id": ids.public("num", code.number_id),
    }


def usage(dana: Browser, gate: Gate, tenant_id: TenantId) -> list[str]:
    """Let a report contradict another; return the explorer, one event, and both reports side by side."""
    with gate.open(Scope.system(tenant_id)) as session:
        for seconds in (60, 120):
            reported = stock.usage("reported-twice", seconds=seconds, at=clock.now())
            metered.record(session, tenant_id=tenant_id, usage=reported)
    here = f"/operator/usage?company={ids.public('ten', tenant_id)}"
    page = dana.get(here).text
    return [
        here,
        found(r'"(/operator/usage/ten_[0-9a-z]+/use_[0-9a-z]+)"', page),
        found(r'"(/operator/usage/ten_[0-9a-z]+/conflicts/con_[0-9a-z]+)"', page),
    ]


def glass(
    asker: Browser, approver: Browser, gate: Gate, vault: Vault, *, two: tuple[User, User], client: TenantId
) -> list[str]:
    """Let one of the operator's people look into a company by the other's word; return what is seen."""
    with gate.open(Scope.system(OPERATOR)) as session:
        for user in two:
            second_step.begin(session, tenant_id=OPERATOR, vault=vault, user_id=user.id, name=user.name)
        session.execute(text("UPDATE app.second_steps SET confirmed_at = begun_at"))
    company = ids.public("ten", client)
    wish = {"company": company, "reason": "incident", "ticket": "INC-4711", "minutes": "30"}
    assert asker.post("/operator/glass", wish).status_code == 303
    here = found(r'"(/operator/glass/[0-9a-f-]+)/approve"', approver.get("/operator/glass").text)
    assert approver.post(f"{here}/approve").status_code == 303
    customer = found(rf'"({here}/cus_[0-9a-z]+)"', asker.get(here).text)
    return [here, f"{here}/contacts", f"{here}/recordings", customer]


def reset_link(gate: Gate, vault: Vault, tenant_id: TenantId, user: User) -> str:
    """Return where the letter to somebody who forgot their password leads."""
    with gate.open(Scope.system(tenant_id)) as session:
        resets.send(session, tenant_id=tenant_id, vault=vault, user_id=user.id, public_url=HOST)
        newest = session.scalars(text("SELECT id FROM app.letters ORDER BY id DESC LIMIT 1")).one()
        owed = LetterOwed(tenant_id=tenant_id, letter_id=LetterId(newest))
        letter = letters.take(session, vault=vault, owed=owed)
    assert letter
    return found(rf"{HOST}(/reset/[A-Za-z0-9_-]+)", letter.text)


def prices(dana: Browser) -> list[str]:
    """Return the first version of a price list, what it changed, and one of its rates."""
    one = found(r'"(/operator/prices/pl_[^"/]+)"', dana.get("/operator/prices").text)
    version = f"{one}/versions/1"
    rate = found(r'"([^"]+/rate\?id=[^"]+)"', dana.get(version).text)
    return [version, f"{version}/changes", rate]


def agent(people: People, gate: Gate, vault: Vault, client: TenantId) -> User:
    """Hire somebody who takes a company's calls."""
    user = people.user(OPERATOR, "Bob", "agent", email="bob@seatline.example")
    with gate.open(Scope.system(OPERATOR)) as session:
        hired = roster.hire(session, vault=vault, user_id=user.id, number=AGENT, name="Bob")
        roster.assign(session, agent_id=hired.id, client_tenant_id=client, starts_at=clock.now())
    agreements.signed(gate, user.id, client)
    return user
