"""Narrow indexes: a few keyed bits of a customer's number and name, to find many candidates by, never one.

A number's last four digits, or a name's first two signs, are skewed and few, so a whole keyed hash of them
would be as good as the text to whoever counts rows. Kept are so few bits that some rows always share them by
chance, and every hit is opened and compared. How many bits is planned by the size of the company: with R
customers, the sum over both indexes leaves R / 2^sum between 2 and √R who share everything by chance
(CipherSweet's planner; reference: security 2.4). R = 100 000: 15 bits, 8 of the digits and 7 of the name.

Truncation hides no heavy hitter (8888, 陈思): each value is spread over partitions, chosen by the row's id,
so that its share of a bucket falls with their number. Below `FEWEST` customers nothing is kept.
"""

import math
import re
import unicodedata
from dataclasses import dataclass
from uuid import UUID

from core.ids import TenantId
from core.phone import E164
from security.vault import Vault

FEWEST = 5_000
ENDING, BEGINNING = "customers.phone.last4", "customers.name.first2"
PARTITIONS = {ENDING: 4, BEGINNING: 8}
_MOST_BITS = 18
_VERSION_AT, _BITS_AT, _PARTITION_AT = 29, 24, 20  # of the stored number: key | bits used | partition | hash
_VERSIONS = 4  # told apart: rows follow a new key within hours
_ENDING = re.compile(r"[0-9]{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many bits each index keeps."""

    ending: int
    beginning: int

    def bits(self, index: str) -> int:
        """Return the bits of one index."""
        return self.ending if index == ENDING else self.beginning


def plan(customers: int) -> Plan | None:
    """Return the bits for a company of that size, or None when nothing is to be kept."""
    if customers < FEWEST:
        return None
    total = min(int(math.log2(customers / 2)), 2 * _MOST_BITS)
    return Plan(ending=total - total // 2, beginning=total // 2)


def ending_of(phone: E164) -> str | None:
    """Return a number's last four digits; None of a short code, which has nothing before them."""
    return phone[-4:] if phone.startswith("+") else None


def beginning_of(name: str) -> str | None:
    """Return a name's first two signs, alike however typed; None when it has not two."""
    signs = "".join(alike(name).split())
    return signs[:2] if len(signs) >= 2 else None  # noqa: PLR2004 - two, as it says


def alike(name: str) -> str:
    """Return a name as it is compared: one form of each sign (NFKC), without capitals."""
    return unicodedata.normalize("NFKC", name).casefold()


def is_ending(text: str) -> bool:
    """Return whether somebody typed exactly four digits."""
    return _ENDING.fullmatch(text) is not None


def stored(
    vault: Vault, chosen: Plan, *, tenant_id: TenantId, row_id: UUID, index: str, value: str | None
) -> int | None:
    """Return what a row keeps of a value; None of none."""
    if value is None:
        return None
    partition = row_id.bytes[-1] % PARTITIONS[index]
    version, _every = vault.index_versions(tenant_id)
    return _number(vault, chosen.bits(index), version, partition, tenant_id, index, value)


def asked(vault: Vault, bits: int, *, tenant_id: TenantId, index: str, value: str) -> list[int]:
    """Return the numbers under which rows with this value stand: one for each partition and key."""
    _active, every = vault.index_versions(tenant_id)
    return [
        _number(vault, bits, version, partition, tenant_id, index, value)
        for version in every
        for partition in range(PARTITIONS[index])
    ]


def edges(bits: int, version: int) -> tuple[int, int]:
    """Return the half-open range in which all numbers of so many bits under a version of the key lie."""
    low = _head(bits, version)
    return low, low + (1 << _BITS_AT)


def _head(bits: int, version: int) -> int:
    return (version - 1) % _VERSIONS << _VERSION_AT | bits << _BITS_AT


def _number(
    vault: Vault, bits: int, version: int, partition: int, tenant_id: TenantId, index: str, value: str
) -> int:
    short = vault.narrow_index(tenant_id, index, f"{partition}:{value}", bits=bits, version=version)
    return _head(bits, version) | partition << _PARTITION_AT | short
