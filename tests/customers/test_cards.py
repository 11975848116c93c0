import pytest

from customers.cards import holds_card_number


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "card 4111 1111 1111 1111, expires 12/27",
        "paid with 5555-5555-5555-4444 yesterday",
        "amex 3782 822463 10005",
        "４１１１ １１１１ １１１１ １１１１",  # full-width, as Chinese input writes digits
        "call +44 7700 900471 about 4111.1111.1111.1111",
    ],
)
def test_a_card_number_is_found_however_it_is_grouped(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ends in 1111",
        "+44 7700 900471, parcel PX-90217",
        "4111111111111112",  # the check digit is wrong
        "order 20261122094512345678",  # too long for a card
        "2026-11-22 09:45, gate B, height 3.1 m",
        "A4111111111111111",  # a reference, not a card
    ],
)
def test_what_is_no_card_number_is_left_alone(text: str) -> None:
    assert not holds_card_number(text)
