"""The vault: what a sealed value refuses."""

import dataclasses
import io
import os
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from core.ids import OPERATOR, TenantId, new_id
from security.keys import FileRootKey, RootKeyError, UnwrapError, unwrap, wrap
from security.keystore import DataKey, Keystore
from security.vault import OVERHEAD, Field, SealError, Vault
from tests.conftest import Prepared

A, B = TenantId(new_id()), TenantId(new_id())
PHONE = Field(A, "customers", "phone", new_id(), 3)
SEGMENT = 65536


def test_a_sealed_text_opens_again(vault: Vault) -> None:
    for plain in ("", "+447700900123", "张伟", "x" * 5000):
        assert vault.open(PHONE, vault.seal(PHONE, plain)) == plain


def test_lengths_are_hidden_in_steps(vault: Vault) -> None:
    assert len(vault.seal(PHONE, "Li")) == len(vault.seal(PHONE, "Wolfeschlegelsteinhausen"))


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(PHONE, tenant_id=B),
        dataclasses.replace(PHONE, table="leads"),
        dataclasses.replace(PHONE, column="name"),
        dataclasses.replace(PHONE, row_id=new_id()),
        dataclasses.replace(PHONE, version=4),
        dataclasses.replace(PHONE, table="customersphone", column=""),
    ],
    ids=["tenant", "table", "column", "row", "rollback", "joined"],
)
def test_a_value_that_was_moved_does_not_open(vault: Vault, other: Field) -> None:
    with pytest.raises(SealError):
        vault.open(other, vault.seal(PHONE, "+447700900123"))


@pytest.mark.parametrize("between", ["", "|", "/", "\0"])
def test_no_sign_between_names_makes_two_places_one(vault: Vault, between: str) -> None:
    here = dataclasses.replace(PHONE, table=f"leads{between}notes", column="text")
    there = dataclasses.replace(PHONE, table="leads", column=f"notes{between}text")
    with pytest.raises(SealError):
        vault.open(there, vault.seal(here, "said"))


class OneKey(Keystore):
    """Hands every tenant the same key, as a keystore that mixes rows up would."""

    def __init__(self) -> None:
        self._only = DataKey(1, os.urandom(32))

    def active(self, tenant_id: UUID, purpose: str) -> DataKey:
        del tenant_id, purpose
        return self._only

    def by_id(self, tenant_id: UUID, key_id: int) -> DataKey:
        del tenant_id, key_id
        return self._only


def test_a_value_stays_its_tenants_even_when_two_share_a_key() -> None:
    vault = Vault(OneKey())
    sealed = vault.seal(PHONE, "+447700900123")
    assert vault.open(PHONE, sealed) == "+447700900123"
    with pytest.raises(SealError):
        vault.open(dataclasses.replace(PHONE, tenant_id=B), sealed)
    sink = io.BytesIO()
    vault.seal_file(PHONE, io.BytesIO(b"spoken"), sink)
    with pytest.raises(SealError):
        vault.open_file(dataclasses.replace(PHONE, tenant_id=B), sink)


def test_a_value_names_its_key_and_no_other_name_for_it_will_do() -> None:
    vault = Vault(OneKey())
    sealed = vault.seal(PHONE, "+447700900123")
    with pytest.raises(SealError):
        vault.open(PHONE, sealed[:2] + (2).to_bytes(4, "big") + sealed[6:])


@pytest.mark.parametrize("part", ["_VERSION", "_SUITE"])
def test_a_well_sealed_value_of_another_suite_does_not_open(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(f"security.vault.{part}", 2)
    sealed = vault.seal(PHONE, "+447700900123")
    assert vault.open(PHONE, sealed) == "+447700900123"
    monkeypatch.undo()
    with pytest.raises(SealError):
        vault.open(PHONE, sealed)


def test_no_byte_of_a_files_beginning_can_be_changed(vault: Vault) -> None:
    sink = io.BytesIO()
    vault.seal_file(PHONE, io.BytesIO(b"spoken"), sink)
    whole = sink.getvalue()
    for place in range(len(whole)):
        with pytest.raises(SealError):
            vault.open_file(PHONE, io.BytesIO(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]))


def test_no_damaged_value_opens(vault: Vault) -> None:
    sealed = vault.seal(PHONE, "+447700900123")
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            vault.open(PHONE, sealed[:length])
    for place in range(len(sealed)):
        with pytest.raises(SealError):
            vault.open(PHONE, sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
    with pytest.raises(SealError):
        vault.open(PHONE, sealed + b"\0")


def test_two_seals_of_one_value_differ(vault: Vault) -> None:
    assert vault.seal(PHONE, "same") != vault.seal(PHONE, "same")
    assert len(vault.seal(PHONE, "same")) == OVERHEAD + 32


@pytest.mark.parametrize(
    "each",
    [2_000, pytest.param(250_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])],
    ids=["eight-thousand", "a-million"],
)
def test_no_two_seals_share_a_salt_in_four_forks_of_one_process(
    keystore: Keystore, vault: Vault, each: int
) -> None:
    """T59: a fork inherits the state of whatever makes randomness."""
    children = []
    vault.seal(PHONE, "warm")
    for _fork in range(4):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                keystore.after_fork()
                os.close(reader)
                with os.fdopen(writer, "wb") as sink:
                    for _one in range(each):
                        sink.write(vault.seal(PHONE, "x")[6:38])
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        children.append((child, reader))
    salts: list[bytes] = []
    for child, reader in children:
        with os.fdopen(reader, "rb") as source:
            told = source.read()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        salts += [told[at : at + 32] for at in range(0, len(told), 32)]
    assert len(set(salts)) == len(salts) == 4 * each


def test_equal_salts_of_a_cloned_machine_still_make_keys_of_their_own(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T59: a machine copied while running repeats its randomness; their places keep values apart."""
    places = [
        PHONE,
        *(
            dataclasses.replace(PHONE, **differs)
            for differs in ({"column": "name"}, {"row_id": new_id()}, {"version": 4}, {"table": "leads"})
        ),
    ]
    monkeypatch.setattr("security.vault.os.urandom", bytes)
    sealed = [vault.seal(place, "same") for place in places]
    monkeypatch.undo()
    assert len({one[:38] for one in sealed}) == 1
    assert len({one[38:70] for one in sealed}) == len(places)  # commitments: other keys
    assert len({one[70:] for one in sealed}) == len(places)
    assert [vault.open(place, one) for place, one in zip(places, sealed, strict=True)] == ["same"] * 5


def test_blind_index_finds_equals_inside_one_tenant_and_one_column_only(vault: Vault) -> None:
    index = vault.blind_index(A, "customers.phone", "+447700900123")
    assert index == vault.blind_index(A, "customers.phone", "+447700900123")
    assert index != vault.blind_index(A, "customers.phone", "+447700900124")
    assert index != vault.blind_index(B, "customers.phone", "+447700900123")
    assert index != vault.blind_index(A, "leads.phone", "+447700900123")


RECORDING = Field(A, "recordings", "audio", new_id(), 1, purpose="recording")


def sealed_file(vault: Vault, plain: bytes) -> bytes:
    sink = io.BytesIO()
    assert vault.seal_file(RECORDING, io.BytesIO(plain), sink).plain_bytes == len(plain)
    return sink.getvalue()


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 7])
def test_a_sealed_file_reads_back_in_any_range(vault: Vault, size: int) -> None:
    plain = os.urandom(size)
    opened = vault.open_file(RECORDING, io.BytesIO(sealed_file(vault, plain)))
    assert opened.size == size
    assert opened.read() == plain
    for start, end in ((0, 10), (SEGMENT - 3, SEGMENT + 3), (size - 5, size + 100), (size, size + 1)):
        assert opened.read(max(0, start), end) == plain[max(0, start) : end]


def test_a_truncated_spliced_or_moved_file_is_refused(vault: Vault) -> None:
    plain = os.urandom(4 * SEGMENT + 9)
    blob = sealed_file(vault, plain)
    body, step = len(blob) - (len(plain) + 5 * 16), SEGMENT + 16
    swapped = (
        blob[: body + step] + blob[body + 2 * step : body + 3 * step] + blob[body + step : body + 2 * step]
    )
    spliced = blob[: body + step] + sealed_file(vault, plain)[body + step :]
    for bad in (blob[: body + 2 * step], blob[:-1], blob + b"\0" * step, blob[:body], b"", spliced):
        with pytest.raises(SealError):
            vault.open_file(RECORDING, io.BytesIO(bad))
    opened = vault.open_file(RECORDING, io.BytesIO(swapped + blob[body + 3 * step :]))
    with pytest.raises(SealError):
        opened.read(SEGMENT, SEGMENT + 10)
    with pytest.raises(SealError):
        vault.open_file(dataclasses.replace(RECORDING, row_id=new_id()), io.BytesIO(blob))


def test_keys_survive_a_restart_and_need_the_same_root(
    prepared: Prepared, root_key: FileRootKey, vault: Vault, tmp_path: Path
) -> None:
    sealed = vault.seal(PHONE, "kept")
    again = Keystore(prepared.urls.keys, root_key)
    assert Vault(again).open(PHONE, sealed) == "kept"
    again.close()
    file = tmp_path / "other.key"
    file.write_bytes(os.urandom(32))
    file.chmod(0o600)
    stranger = Keystore(prepared.urls.keys, FileRootKey(file))
    with pytest.raises(Exception, match="unwrap"):
        Vault(stranger).open(PHONE, sealed)
    stranger.close()


def test_a_wrapped_key_opens_in_its_own_context_and_under_its_own_parent_only() -> None:
    parent, key = os.urandom(32), os.urandom(32)
    wrapped = wrap(parent, key, b"tenant a, pii, 1")
    assert unwrap(parent, wrapped, b"tenant a, pii, 1") == key
    for other, context in ((parent, b"tenant b, pii, 1"), (os.urandom(32), b"tenant a, pii, 1")):
        with pytest.raises(UnwrapError):
            unwrap(other, wrapped, context)


def test_the_keystore_holds_no_key_in_the_clear(prepared: Prepared, keystore: Keystore) -> None:
    key = keystore.active(OPERATOR, "pii").key
    with psycopg.connect(prepared.urls.keys) as connection:
        rows = connection.execute(
            "SELECT wrapped FROM keys.purpose_key UNION ALL SELECT wrapped FROM keys.tenant_key"
        )
        assert all(key not in bytes(row[0] or b"") for row in rows.fetchall())


def test_a_root_key_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "root.key"
    file.write_bytes(os.urandom(32))
    file.chmod(0o644)
    with pytest.raises(RootKeyError, match="open to others"):
        FileRootKey(file)
