"""Columns in PostgreSQL's binary form, for statements and COPYs that carry tens of thousands of rows.

A driver adapts value by value, which costs more than the server then does with a row. Here a column becomes
one array parameter, or a row of COPY one packed string, with nothing looked up per value. Source:
PostgreSQL's documentation, "COPY, binary format", and its `array_recv`.
"""

import datetime as dt
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy.orm import Session

COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_ARRAY = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")
_UUID_HEAD = _LENGTH.pack(16)
_OF_TEXT, _OF_UUID, _OF_INT4, _OF_INT8, _OF_INSTANT = 25, 2950, 23, 20, 1184


class _Array(bytes):
    """An array as it travels."""

    __slots__ = ()


class Texts(_Array):
    """`text[]`."""

    __slots__ = ()


class Uuids(_Array):
    """`uuid[]`."""

    __slots__ = ()


class Int4s(_Array):
    """`int4[]`."""

    __slots__ = ()


class Int8s(_Array):
    """`int8[]`."""

    __slots__ = ()


class Instants(_Array):
    """`timestamptz[]`."""

    __slots__ = ()


def texts(values: Sequence[str | None]) -> Texts:
    """Return a column of texts; few distinct ones cost least."""
    known: dict[str | None, bytes] = {one: text(one) for one in set(values)}
    return Texts(_head(_OF_TEXT, len(values)) + b"".join(map(known.__getitem__, values)))


def uuids(values: Sequence[UUID | bytes | None]) -> Uuids:
    """Return a column of ids; given as sixteen bytes they are taken as they are."""
    body = b"".join([_raw(one) for one in values])
    return Uuids(_head(_OF_UUID, len(values)) + body)


def int4s(values: Sequence[int | None]) -> Int4s:
    """Return a column of 32-bit integers."""
    return Int4s(_head(_OF_INT4, len(values)) + _integers(values, ">i4"))


def int8s(values: Sequence[int | None]) -> Int8s:
    """Return a column of 64-bit integers."""
    return Int8s(_head(_OF_INT8, len(values)) + _integers(values, ">i8"))


def instants(values: Sequence[dt.datetime]) -> Instants:
    """Return a column of aware instants."""
    return Instants(_head(_OF_INSTANT, len(values)) + _integers([instant(one) for one in values], ">i8"))


def instant(at: dt.datetime) -> int:
    """Return an aware instant as PostgreSQL counts it: microseconds since 2000-01-01 UTC."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def text(value: str | None) -> bytes:
    """Return one text with its length before it, as rows and arrays have it."""
    if value is None:
        return NULL
    raw = value.encode()
    return _LENGTH.pack(len(raw)) + raw


def uuid(value: UUID | None) -> bytes:
    """Return one id with its length before it."""
    return NULL if value is None else _UUID_HEAD + value.bytes


def cursor(session: Session) -> Cursor[Any]:
    """Return a driver's cursor inside the session's transaction; it takes columns and answers in binary."""
    found = session.connection().connection.driver_connection
    assert isinstance(found, Connection)  # noqa: S101 - there is no other driver
    made = found.cursor(binary=True)
    for kind, dumper in _DUMPERS.items():
        made.adapters.register_dumper(kind, dumper)
    return made


def _head(of: int, count: int) -> bytes:
    return _ARRAY.pack(1, 1, of, count, 1) if count else _LENGTH.pack(0) * 2 + struct.pack(">I", of)


def _raw(value: UUID | bytes | None) -> bytes:
    if value is None:
        return NULL
    return _UUID_HEAD + (value if isinstance(value, bytes) else value.bytes)


def _integers(values: Iterable[int | None], kind: str) -> bytes:
    listed = list(values)
    size = int(kind[-1])
    if None in listed:
        pack = struct.Struct(">iq" if size == 8 else ">ii").pack  # noqa: PLR2004
        return b"".join([NULL if one is None else pack(size, one) for one in listed])
    rows = np.empty(len(listed), dtype=[("size", ">i4"), ("value", kind)])
    rows["size"] = size
    rows["value"] = listed
    return rows.tobytes()


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Array) -> Buffer:
        return obj


class _Texts(_Dumper):
    oid = 1009


class _Uuids(_Dumper):
    oid = 2951


class _Int4s(_Dumper):
    oid = 1007


class _Int8s(_Dumper):
    oid = 1016


class _Instants(_Dumper):
    oid = 1185


_DUMPERS: Mapping[type[_Array], type[_Dumper]] = {
    Texts: _Texts,
    Uuids: _Uuids,
    Int4s: _Int4s,
    Int8s: _Int8s,
    Instants: _Instants,
}
