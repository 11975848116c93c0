"""What somebody who may not read a detail sees of it."""

import pytest

from customers import masking


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ines Carvalho", "I. C."),
        ("ines  maria carvalho", "I. M. C."),
        ("Ångström", "Å."),
        ("陈思远", "陈••"),
        ("陈 思远", "陈••"),
        ("김민수", "김••"),
        ("  ", "•"),
        ("", "•"),
    ],
)
def test_names_show_initials(name: str, shown: str) -> None:
    assert masking.mask_name(name) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+447700900123", "+44 7700 900•••"), ("+8613800135621", "+86 138 0013 5•••"), ("1252", "1252")],
)
def test_numbers_hide_three_digits(number: str, shown: str) -> None:
    assert masking.mask_phone(number) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ines@carvalho.example", "i•••@carvalho.example"),
        ("i@x.example", "i•••@x.example"),
        ("@x", "•••"),
        ("x", "•••"),
    ],
)
def test_addresses_show_one_letter(address: str, shown: str) -> None:
    assert masking.mask_email(address) == shown


@pytest.mark.parametrize(
    ("code", "shown"), [("LS1 4AP", "LS1 •••"), ("210000", "21 •••"), (" EC1A 1BB ", "EC1A •••")]
)
def test_postcodes_show_the_outward_part(code: str, shown: str) -> None:
    assert masking.mask_postcode(code) == shown
