"""Two people who want the same at the same moment: the second gets the refusal of who comes a day later.

Every unique key of the database that is more than a made-up id stands in one of two lists here: behind what
people can want twice, which two transactions try, or among those nobody chooses.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import accounts, price_lists, rate_decks, tariffs
from billing.errors import PriceListTakenError
from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, AgentId, RoomId, TenantId, UserId, new_id
from core.phone import E164
from core.taken import refused_as
from customers import pins, records
from customers.errors import CustomerExistsError
from seats import roster
from seats import stock as seating
from seats.errors import AgentNumberTakenError, SeatLabelTakenError
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import caller_numbers, conference, endpoints, queues, shared_codes, telephones
from telephony.caller_numbers import CallerNumberThereError
from telephony.errors import ChoiceTakenError, CodeSharedError, QueueNameTakenError, RoomNameTakenError
from telephony.models import ConferenceRoomRow
from telephony.outbound import limits
from telephony.outbound.limits import CallingLimitsChangedError
from tenants import exports, retention, second_step, users
from tenants.errors import EmailTakenError, ExportUnderWayError
from tenants.retention import KeptKind
from tests.billing import stock as books
from tests.conftest import Prepared
from tests.customers import factory as callers
from tests.factories import telephony
from tests.factories.waiting import until_one_waits
from tests.seats import factory as floor
from tests.tenants.people import People, password_hash

PINS = ("204817", "73915")


@dataclass(frozen=True)
class House:
    """One company, and who may be asked about it."""

    gate: Gate
    vault: Vault
    tenant_id: TenantId

    def company(self) -> Any:
        return self.gate.open(Scope.system(self.tenant_id))

    def operator(self) -> Any:
        return self.gate.open(Scope.system(OPERATOR))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What two want.

    Attributes:
        act: what both do, the first and the second (0 and 1), with what `before` returned.
        refusal: what the second is told; None: both have what they wanted.
        before: makes what has to be there.
        is_operators: it happens in the operator's own rows.
        keys: the unique keys behind it.
    """

    act: Callable[[House, Session, Any, int], object]
    refusal: type[SeatlineError] | None
    before: Callable[[House], object] = lambda house: None
    is_operators: bool = False
    keys: tuple[str, ...] = ()


def room(name: str) -> conference.Wanted:
    return conference.Wanted(name=name, pin=PINS[0])


def two_rooms(house: House) -> list[conference.Room]:
    with house.company() as session:
        return [
            conference.make(session, tenant_id=house.tenant_id, vault=house.vault, wanted=room(name))
            for name in ("Harbour", "Market")
        ]


def rename_room(house: House, session: Session, rooms: list[conference.Room], who: int) -> None:
    conference.change(
        session,
        tenant_id=house.tenant_id,
        room_id=rooms[who].room_id,
        vault=house.vault,
        revision=1,
        wanted=conference.Wanted(name="Board"),
    )


def two_queues(house: House) -> list[queues.Queue]:
    with house.company() as session:
        return [
            queues.open_queue(session, tenant_id=house.tenant_id, name=name) for name in ("Returns", "Orders")
        ]


def rename_queue(house: House, session: Session, found: list[queues.Queue], who: int) -> None:
    queues.change(
        session,
        tenant_id=house.tenant_id,
        queue_id=found[who].queue_id,
        revision=1,
        settings=replace(found[who].settings, name="Everything"),
    )


def price_list(house: House) -> Any:
    with house.operator() as session:
        return price_lists.create(
            session, tenant_id=OPERATOR, code="uk-plain", name="Plain", currency="GBP", zone="Europe/London"
        )


def published(house: House) -> Any:
    version = books.publish(house.gate)
    with house.company() as session:
        accounts.open_account(session, account=books.account(house.tenant_id))
    return version


def code(house: House) -> Any:
    return telephony.stocked(house.gate, "1252").number_id


def shared_code(house: House) -> Any:
    number_id = code(house)
    with house.operator() as session:
        shared_codes.share(session, number_id=number_id, greeting="", language="en")
    return number_id


def customer(house: House) -> Any:
    return callers.stored(house.gate, house.vault, house.tenant_id)


def agent(house: House) -> AgentId:
    return floor.hired(house.gate, house.vault).id


def user(house: House) -> UserId:
    return People(house.gate, house.vault).user(house.tenant_id, "alice").id


def two_customers(house: House) -> list[Any]:
    phones = (callers.INES, callers.CHEN)
    return [callers.stored(house.gate, house.vault, house.tenant_id, phone=phone) for phone in phones]


def renumber(house: House, session: Session, found: list[Any], who: int) -> None:
    records.update(
        session,
        tenant_id=house.tenant_id,
        vault=house.vault,
        customer_id=found[who].id,
        version=1,
        details=callers.details(phone=E164("+447700900499")),
    )


def ask_elsewhere(house: House, session: Session, line: Any, _who: int) -> None:
    caller_numbers.ask(
        session,
        tenant_id=house.tenant_id,
        vault=house.vault,
        wanted=telephony.wanted_elsewhere(line),
        file_name="contract.pdf",
        data=telephony.PAPER,
        by=new_id(),
    )


WANTED: Mapping[str, Wanted] = {
    "a conference room of one name": Wanted(
        act=lambda house, session, _, who: conference.make(
            session, tenant_id=house.tenant_id, vault=house.vault, wanted=room("Board")
        ),
        refusal=RoomNameTakenError,
        keys=("uq_conference_rooms_name",),
    ),
    "one name for two conference rooms": Wanted(
        before=two_rooms, act=rename_room, refusal=RoomNameTakenError
    ),
    "a queue of one name": Wanted(
        act=lambda house, session, _, who: queues.open_queue(
            session, tenant_id=house.tenant_id, name="Everything"
        ),
        refusal=QueueNameTakenError,
        keys=("uq_queues_tenant_id_name",),
    ),
    "a number held elsewhere": Wanted(
        before=lambda house: telephony.line(house.gate, house.tenant_id),
        act=ask_elsewhere,
        refusal=CallerNumberThereError,
        keys=("uq_caller_numbers_asked",),
    ),
    "one name for two queues": Wanted(before=two_queues, act=rename_queue, refusal=QueueNameTakenError),
    "an address to sign in by": Wanted(
        act=lambda house, session, _, who: users.add(
            session,
            tenant_id=house.tenant_id,
            vault=house.vault,
            email="omar@pelican.example",
            name="Omar Haddad",
            roles=("tenant_admin",),
            password_hash=password_hash(),
            language="en",
            zone="Europe/London",
        ),
        refusal=EmailTakenError,
    ),
    "a customer of one number": Wanted(
        act=lambda house, session, _, who: records.add(
            session, tenant_id=house.tenant_id, vault=house.vault, details=callers.details()
        ),
        refusal=CustomerExistsError,
        keys=("uq_customers_tenant_id_index_version_phone_index",),
    ),
    "one number for two customers": Wanted(before=two_customers, act=renumber, refusal=CustomerExistsError),
    "a customer's first PIN": Wanted(
        before=customer,
        act=lambda house, session, card, who: pins.put(
            session,
            tenant_id=house.tenant_id,
            vault=house.vault,
            customer_id=card.id,
            digits=PINS[who],
        ),
        refusal=None,
    ),
    "a second step, begun in two tabs": Wanted(
        before=user,
        act=lambda house, session, user_id, who: second_step.begin(
            session, tenant_id=house.tenant_id, vault=house.vault, user_id=user_id, name="alice"
        ),
        refusal=None,
    ),
    "an export": Wanted(
        act=lambda house, session, _, who: exports.ask(
            session,
            tenant_id=house.tenant_id,
            vault=house.vault,
            by=new_id(),
            recipient="age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
        ),
        refusal=ExportUnderWayError,
        keys=("uq_company_exports_one",),
    ),
    "a first rule for how long something is kept": Wanted(
        act=lambda house, session, _, who: retention.put(
            session, tenant_id=house.tenant_id, kind=KeptKind.LEADS, days=90 + who, country="GB", by=new_id()
        ),
        refusal=None,
    ),
    "the first rules of calls out": Wanted(
        act=lambda house, session, _, who: limits.change_rules(
            session, tenant_id=house.tenant_id, rules=limits.Rules(countries=frozenset({"GB"}))
        ),
        refusal=CallingLimitsChangedError,
    ),
    "the first caps of calls out": Wanted(
        act=lambda house, session, _, who: limits.change_caps(
            session, tenant_id=house.tenant_id, caps=limits.Caps(at_once=3 + who)
        ),
        refusal=CallingLimitsChangedError,
    ),
    "a company's prices": Wanted(
        before=published,
        act=lambda house, session, version, who: tariffs.take(
            session, tenant_id=house.tenant_id, version=version
        ),
        refusal=None,
    ),
    "a seat of one label": Wanted(
        act=lambda house, session, _, who: seating.add(session, label="A-014"),
        refusal=SeatLabelTakenError,
        is_operators=True,
        keys=("uq_seats_tenant_id_label",),
    ),
    "an agent of one number": Wanted(
        act=lambda house, session, _, who: roster.hire(
            session, vault=house.vault, user_id=UserId(new_id()), number=1207, name="Bob Okafor"
        ),
        refusal=AgentNumberTakenError,
        is_operators=True,
        keys=("uq_agents_tenant_id_number", "uq_agents_tenant_id_user_id"),
    ),
    "an agent's phone, from two tabs": Wanted(
        before=agent,
        act=lambda house, session, agent_id, who: endpoints.issue(
            session, agent_id=agent_id, vault=house.vault
        ),
        refusal=None,
        is_operators=True,
        keys=("uq_endpoints_one_per_agent",),
    ),
    "an agent's first telephone": Wanted(
        before=agent,
        act=lambda house, session, agent_id, who: telephones.set_up(
            session,
            agent_id=agent_id,
            agent_number=1207,
            number=E164("+447700900861"),
            clients=(house.tenant_id,),
            vault=house.vault,
        ),
        refusal=None,
        is_operators=True,
    ),
    "a price list of one code": Wanted(
        act=lambda house, session, _, who: price_lists.create(
            session, tenant_id=OPERATOR, code="uk-night", name="Night", currency="GBP", zone="Europe/London"
        ),
        refusal=PriceListTakenError,
        is_operators=True,
        keys=("uq_price_lists_tenant_id_code",),
    ),
    "the next version of a price list": Wanted(
        before=price_list,
        act=lambda house, session, found, who: price_lists.draft(
            session,
            tenant_id=OPERATOR,
            price_list_id=found.price_list_id,
            effective_from=books.NOON,
            destinations=books.NAMES,
            rates=books.rates(),
        ),
        refusal=None,
        is_operators=True,
        keys=("uq_price_list_versions_tenant_id_price_list_id_version",),
    ),
    "a file of prices to be read": Wanted(
        before=price_list,
        act=lambda house, session, found, who: rate_decks.ask(
            session,
            tenant_id=OPERATOR,
            price_list_id=found.price_list_id,
            effective_from=books.NOON,
            holiday_calendar="",
            by=new_id(),
        ),
        refusal=None,
        is_operators=True,
        keys=("uq_rate_decks_waiting",),
    ),
    "a short code to be shared": Wanted(
        before=code,
        act=lambda house, session, number_id, who: shared_codes.share(
            session, number_id=number_id, greeting="", language="en"
        ),
        refusal=CodeSharedError,
        is_operators=True,
    ),
    "keys of a shared code": Wanted(
        before=shared_code,
        act=lambda house, session, number_id, who: shared_codes.add(
            session,
            code_id=number_id,
            renter_tenant_id=TenantId(new_id()),
            keys="7",
            name="Pelican Parcel",
            is_spoken=True,
        ),
        refusal=ChoiceTakenError,
        is_operators=True,
        keys=("ux_shared_code_choices_keys", "ux_shared_code_choices_renter"),
    ),
}

_OURS = "made of ids or digests of ours"
_LOCKED = "written behind a lock upon the account, the wallet or the number"
_UPSERT = "written with ON CONFLICT: the second changes nothing, or what the first has written"
_ONE_WRITER = "one process or one job alone writes it"

NOBODY_CHOOSES: Mapping[str, str] = {
    "ix_agent_time_open": _ONE_WRITER,
    "ix_alarms_open": _UPSERT,
    "ix_shifts_open": "two shifts at once exclude each other by the seat (`seats.presence`)",
    "uq_agent_time_tenant_id_event_id": _OURS,
    "uq_agent_time_tenant_id_shift_id_position": _ONE_WRITER,
    "uq_callbacks_tenant_id_subject_ref": _UPSERT,
    "uq_credit_holds_present": _UPSERT,
    "uq_credit_notes_tenant_id_number": _LOCKED,
    "uq_dial_decisions_cleared_once": _LOCKED,
    "uq_differences_tenant_id_account_moved_remote_id_differs": _ONE_WRITER,
    "uq_do_not_call_present": _UPSERT,
    "uq_interactions_tenant_id_subject_ref_kind": _UPSERT,
    "uq_invoice_lines_metered": _LOCKED,
    "uq_invoices_period": _LOCKED,
    "uq_invoices_tenant_id_number": _LOCKED,
    "uq_journals_tenant_id_key": _OURS,
    "uq_leads_tenant_id_campaign_id_index_version_phone_index": _ONE_WRITER,
    "uq_login_sessions_tenant_id_digest": _OURS,
    "uq_number_rights_tenant_id_number_id_version": _LOCKED,
    "uq_number_stock_tenant_id_digits": "the operator's page that adds a number says so",
    "uq_passkeys_tenant_id_credential_id": "the directory refuses it before (`security.gate.register`)",
    "uq_password_resets_tenant_id_digest": _OURS,
    "uq_payment_methods_default": _LOCKED,
    "uq_payment_methods_tenant_id_account_remote_id": _LOCKED,
    "uq_payments_tenant_id_invoice_id_attempt": _LOCKED,
    "uq_payments_under_way": _LOCKED,
    "uq_provider_events_tenant_id_account_event_id": _UPSERT,
    "uq_queue_callbacks_call": _UPSERT,
    "uq_rated_charges_current": _LOCKED,
    "uq_reconciliations_going": _UPSERT,
    "uq_tariffs_extract": "kept by one job, which is done again",
    "uq_top_ups_automatic": _LOCKED,
    "uq_usage_conflicts_tenant_id_source_event_id_payload_sha256": _UPSERT,
    "uq_usage_events_tenant_id_source_event_id": _UPSERT,
    "uq_wallet_entries_tenant_id_key": _UPSERT,
    "uq_webhook_deliveries_tenant_id_webhook_id_event_id": _UPSERT,
    "uq_work_items_in_hand": _UPSERT,
}


@pytest.fixture
def house(gate: Gate, vault: Vault, people: People) -> House:
    return House(gate, vault, people.company().tenant_id)


@pytest.fixture
def people(gate: Gate, vault: Vault) -> People:
    return People(gate, vault)


@pytest.mark.parametrize("what", WANTED)
def test_who_comes_a_moment_later_is_told_so(house: House, what: str) -> None:
    wanted = WANTED[what]
    scope = Scope.system(OPERATOR if wanted.is_operators else house.tenant_id)
    given = wanted.before(house)

    def second() -> None:
        with house.gate.open(scope) as session:
            try:
                wanted.act(house, session, given, 1)
            finally:
                session.execute(text("SELECT 1"))  # its page goes on and says why

    with ThreadPoolExecutor(1) as pool:
        with house.gate.open(scope) as session:
            wanted.act(house, session, given, 0)
            session.flush()
            other = pool.submit(second)
            until_one_waits(house.gate)
        if wanted.refusal is None:
            other.result()
        else:
            with pytest.raises(wanted.refusal):
                other.result()


def test_who_comes_first_and_gives_up_leaves_the_name(house: House) -> None:
    act = WANTED["a conference room of one name"].act

    def second() -> None:
        with house.company() as session:
            act(house, session, None, 1)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError), house.company() as session:
        act(house, session, None, 0)
        other = pool.submit(second)
        until_one_waits(house.gate)
        raise ZeroDivisionError
    other.result()
    with house.company() as session:
        assert [one.name for one in conference.all_of(session, tenant_id=house.tenant_id)] == ["Board"]


def test_what_is_wrong_otherwise_is_no_refusal(house: House) -> None:
    row = ConferenceRoomRow(
        tenant_id=house.tenant_id, id=RoomId(new_id()), pin_version=1, wrong=0, revision=1
    )
    row.name, row.most, row.announces, row.pin_ct, row.created_at = "Board", 99, True, b"", clock.now()
    with house.company() as session:
        with pytest.raises(IntegrityError), refused_as(session, RoomNameTakenError):
            session.add(row)
        session.execute(text("SELECT 1"))


def test_every_unique_key_is_tried_or_chosen_by_nobody(prepared: Prepared) -> None:
    with psycopg.connect(prepared.urls.migrator) as admin:
        found = {
            str(name)
            for (name,) in admin.execute(
                "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'app' AND i.indisunique AND NOT i.indisprimary"
            )
        }
    tried = {key for wanted in WANTED.values() for key in wanted.keys}
    assert found == tried | set(NOBODY_CHOOSES)
    assert not tried & set(NOBODY_CHOOSES)
