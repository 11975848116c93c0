"""Every event is heard, or stands on the list of those nobody hears yet; every job queue is consumed."""

from dataclasses import fields

from core.events import Event
from tests.house import rooms
from wiring import outgoing
from wiring.subscriptions import SUBSCRIPTIONS, UNHEARD
from workers import queues, schedule


def _announced() -> set[type[Event]]:
    rooms.import_everything()
    # slots make each class anew, and the first one may still be about
    return {event for event in rooms.subclasses(Event) if "__slots__" in vars(event)}


def test_every_event_is_heard_or_listed_as_unheard() -> None:
    heard = {one.event for one in SUBSCRIPTIONS}
    assert {event.__name__ for event in _announced() - heard - set(UNHEARD)} == set()


def test_nothing_is_listed_as_unheard_that_is_heard() -> None:
    assert not {one.event for one in SUBSCRIPTIONS} & set(UNHEARD)


def test_every_event_listed_is_still_announced() -> None:
    listed = {one.event for one in SUBSCRIPTIONS} | set(UNHEARD)
    assert {event.__name__ for event in listed - _announced()} == set()


def test_every_event_is_told_to_companies_programs_or_listed_as_internal() -> None:
    told = {one.event for one in outgoing.TOLD}
    assert {event.__name__ for event in _announced() - told - set(outgoing.INTERNAL)} == set()
    assert {event.__name__ for event in told & set(outgoing.INTERNAL)} == set()
    assert {event.__name__ for event in (told | set(outgoing.INTERNAL)) - _announced()} == set()


def test_what_a_webhook_says_stands_in_its_event() -> None:
    for one in outgoing.TOLD:
        named = {field.name for field in fields(one.event)}
        assert {attribute for _, attribute in one.says.values()} <= named, one.type


def test_events_have_distinct_names() -> None:
    names = [event.__name__ for event in _announced()]
    assert len(names) == len(set(names))


def test_every_job_queue_named_is_consumed_and_every_consumed_one_named() -> None:
    named = {queues.queue_of(one.name) for one in (*SUBSCRIPTIONS, *schedule.TABLE)}
    assert named == set(queues.CONSUMED)


def test_what_has_a_quarter_of_an_hour_keeps_no_second_of_dialling_waiting() -> None:
    """It goes round all companies: thousands of them take longer than a prompt job may."""
    seldom = {one.name for one in schedule.TABLE if one.every_s >= 900}
    assert seldom
    assert {name for name in seldom if queues.queue_of(name) is not queues.HEAVY} == set()


def test_every_heavy_handler_exists() -> None:
    assert {one.name for one in (*SUBSCRIPTIONS, *schedule.TABLE)} >= queues.HEAVY_HANDLERS


def test_a_job_ends_before_its_order_expires_and_before_people_give_up() -> None:
    assert all(0 < queue.limit_s <= 900 for queue in queues.CONSUMED)
