"""A lead file becomes leads: whatever it holds, every row is accounted for."""

import csv
import io
import os
import zipfile
from collections.abc import Callable

import pytest
import xlsxwriter
from sqlalchemy import text

from campaigns import imports, leads, workbook
from campaigns.columns import Columns
from campaigns.errors import (
    LeadColumnsError,
    LeadFileEmptyError,
    LeadFileEncodingError,
    LeadFileError,
    LeadFileTooLargeError,
    LeadFileUnsafeError,
    LeadImportNotFoundError,
    LeadImportStateError,
)
from campaigns.imports import Import
from campaigns.plans import Campaign
from core.ids import TenantId
from core.storage import DiskStorage
from security.gate import Gate, Scope
from security.vault import Vault
from tests.campaigns import factory
from tests.campaigns.factory import csv_bytes

Bring = Callable[..., Import]


@pytest.fixture
def campaign(gate: Gate, tenant_a: TenantId) -> Campaign:
    return factory.campaign(gate, tenant_a)


@pytest.fixture
def bring(gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign) -> Bring:
    def upload(content: bytes, **differs: object) -> Import:
        return factory.imported(gate, vault, storage, campaign, content, **differs)

    return upload


@pytest.fixture
def stage(gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign) -> Bring:
    def upload(content: bytes, **differs: str) -> Import:
        return factory.staged(gate, vault, storage, campaign, content, **differs)

    return upload


def all_leads(gate: Gate, vault: Vault, campaign: Campaign) -> list[leads.Lead]:
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        return list(
            leads.page(
                session,
                tenant_id=campaign.tenant_id,
                vault=vault,
                campaign_id=campaign.campaign_id,
                limit=200,
            ).leads
        )


def reasons(gate: Gate, done: Import, tenant_id: TenantId) -> dict[str, int]:
    with gate.open(Scope.system(tenant_id)) as session:
        return imports.reasons(session, tenant_id=tenant_id, import_id=done.import_id)


def book(*rows: list[object], formulas: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False}) as made:
        sheet = made.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
        for cell, formula in (formulas or {}).items():
            sheet.write_formula(cell, formula, None, "+442079460199")
    return out.getvalue()


def repacked(content: bytes, **members: bytes) -> bytes:
    """Return a workbook with members added or replaced; `sheet` is the first sheet."""
    return archive(content, members, zipfile.ZIP_DEFLATED)


def stored(content: bytes, **members: bytes) -> bytes:
    """As `repacked`, for what repeats itself: packed so well the archive is a bomb before it is opened."""
    return archive(content, members, zipfile.ZIP_STORED)


def archive(content: bytes, members: dict[str, bytes], packing: int) -> bytes:
    out = io.BytesIO()
    names = {"sheet": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml"}
    wanted = {names.get(name, name): data for name, data in members.items()}
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", packing) as new,
    ):
        for one in old.infolist():
            if one.filename not in wanted:
                new.writestr(one.filename, old.read(one))
        for name, data in wanted.items():
            new.writestr(name, data)
    return out.getvalue()


def test_every_row_is_a_lead_a_duplicate_or_bad_with_its_reason(
    gate: Gate, vault: Vault, campaign: Campaign, bring: Bring
) -> None:
    done = bring(
        csv_bytes(
            ("Phone", "Name", "Time zone", "Parcel"),
            ("+442079460101", "Ines Carvalho", "", "P-1"),
            ("020 7946 0102", "Tom", "Europe/Paris", ""),
            ("+44 20 7946 0101", "Ines again", "", ""),
            ("nobody", "A", "", ""),
            ("", "B", "", ""),
            ("+999123456789", "C", "", ""),
            ("+442079460103", "D", "Mars/Olympus", ""),
            ("+61412345678", "E", "", ""),
            ("+442079460104", "F" * 300, "", ""),
        )
    )
    assert (done.state, done.rows) == ("done", 9)
    assert (done.accepted, done.duplicates, done.bad) == (2, 1, 6)
    assert reasons(gate, done, campaign.tenant_id) == {
        "bad-number": 1,
        "bad-zone": 1,
        "no-country": 1,
        "no-number": 1,
        "no-zone": 1,
        "too-long": 1,
    }
    first, second = all_leads(gate, vault, campaign)
    assert (first.person.phone, first.person.name) == ("+442079460101", "Ines Carvalho")
    assert first.person.fields == {"Parcel": "P-1"}
    assert (first.zone, second.zone) == ("Europe/London", "Europe/Paris")


def test_a_number_of_an_earlier_file_is_a_duplicate(bring: Bring) -> None:
    bring(csv_bytes(("phone",), ("+442079460101",)))
    again = bring(csv_bytes(("phone",), ("+442079460101",), ("+442079460102",)))
    assert (again.accepted, again.duplicates, again.bad) == (1, 1, 0)


def test_bad_rows_come_back_as_they_were_and_harmless(
    gate: Gate, vault: Vault, campaign: Campaign, bring: Bring
) -> None:
    done = bring(
        csv_bytes(
            ("phone", "name", "note"),
            ("+44", "=HYPERLINK(1)", "+442079460101"),
            ("+442079460102", "good", ""),
            ("@SUM(A1)", "王伟", "-2"),
        )
    )
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        lines = list(
            imports.bad_csv(session, tenant_id=campaign.tenant_id, vault=vault, import_id=done.import_id)
        )
    assert list(csv.reader(io.StringIO("".join(lines)))) == [
        ["phone", "name", "note", "seatline row", "seatline reason"],
        ["+44", "'=HYPERLINK(1)", "+442079460101", "2", "bad-number"],
        ["'@SUM(A1)", "王伟", "-2", "4", "bad-number"],
    ]


def test_a_killed_piece_is_done_again_and_none_doubled(
    gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, stage: Bring
) -> None:
    tenant_id = campaign.tenant_id
    rows = [("phone",), *((f"+4420794601{at:02d}",) for at in range(25))]
    found = stage(csv_bytes(*rows))
    factory.confirmed(gate, vault, storage, found, tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        imports.unpack(session, tenant_id=tenant_id, vault=vault, storage=storage, import_id=found.import_id)

    def piece(offset: int) -> None:
        with gate.open(Scope.system(tenant_id)) as session:
            imports.read_piece(
                session,
                tenant_id=tenant_id,
                vault=vault,
                storage=storage,
                import_id=found.import_id,
                offset=offset,
                most=10,
            )
            if dies:
                raise KeyboardInterrupt

    dies = True
    with pytest.raises(KeyboardInterrupt):
        piece(0)
    dies = False
    piece(0)
    piece(0)  # a duty handed out twice
    done = factory.read(gate, vault, storage, tenant_id, found.import_id, most=10)
    assert (done.accepted, done.duplicates, done.bad) == (25, 0, 0)
    assert len(all_leads(gate, vault, campaign)) == 25


def test_nothing_of_a_lead_stands_in_the_clear(
    gate: Gate, storage: DiskStorage, campaign: Campaign, bring: Bring, tmp_path: object
) -> None:
    bring(csv_bytes(("phone", "name"), ("+442079460101", "Ines Carvalho"), ("12", "Tomasz Bad")))
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        kept = "".join(
            str(row)
            for table in ("leads", "lead_imports", "lead_import_rows", "outbox")
            for row in session.execute(text(f"SELECT to_jsonb(t)::text FROM app.{table} t"))
        )
    for secret in ("2079460101", "Carvalho", "Tomasz", "leads.csv", "phone,"):
        assert secret.encode().hex() not in kept
        assert secret not in kept


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_the_encoding_is_found(
    gate: Gate, vault: Vault, campaign: Campaign, bring: Bring, encoding: str
) -> None:
    done = bring(csv_bytes(("手机", "姓名"), ("13800000134", "王小明"), encoding=encoding), name="客户.csv")
    # the company is British, and a Chinese mobile without its country is none of theirs
    assert (done.accepted, done.bad) == (0, 1)
    done = bring(csv_bytes(("手机", "姓名"), ("+8613800000134", "王小明"), encoding=encoding))
    assert done.accepted == 1
    assert all_leads(gate, vault, campaign)[0].person.name == "王小明"


def test_an_encoding_nobody_can_know_is_asked_for(
    gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, stage: Bring
) -> None:
    content = csv_bytes(("phone", "name"), ("+442079460101", "Renée é"), encoding="windows-1252")
    found = stage(content)
    assert found.encoding is None
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        look = imports.preview(
            session,
            tenant_id=campaign.tenant_id,
            vault=vault,
            storage=storage,
            import_id=found.import_id,
        )
        assert look.problem == "encoding"
        look = imports.preview(
            session,
            tenant_id=campaign.tenant_id,
            vault=vault,
            storage=storage,
            import_id=found.import_id,
            encoding="windows-1252",
        )
    assert (look.rows, look.columns) == ((("+442079460101", "Renée é"),), Columns(0, 1))
    with pytest.raises(LeadFileEncodingError):
        factory.confirmed(
            gate,
            vault,
            storage,
            found,
            campaign.tenant_id,
            encoding="utf-8-sig",
            delimiter=",",
            columns=look.columns,
        )
    factory.confirmed(
        gate,
        vault,
        storage,
        found,
        campaign.tenant_id,
        encoding="windows-1252",
        delimiter=",",
        has_header=True,
        columns=look.columns,
    )
    done = factory.read(gate, vault, storage, campaign.tenant_id, found.import_id)
    assert all_leads(gate, vault, campaign)[0].person.name == "Renée é"
    assert done.accepted == 1


def test_a_file_that_turns_out_wrong_in_the_middle_brings_no_lead(
    gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, stage: Bring
) -> None:
    rows = [("phone", "name"), *((f"+4420794601{at % 100:02d}", "x" * 60) for at in range(3000))]
    content = csv_bytes(*rows) + b"+442079460101,\xff\xfe\n"
    found = stage(content)
    assert found.encoding is None
    factory.confirmed(
        gate,
        vault,
        storage,
        found,
        campaign.tenant_id,
        encoding="gb18030",
        delimiter=",",
        has_header=True,
        columns=Columns(0, 1),
    )
    done = factory.read(gate, vault, storage, campaign.tenant_id, found.import_id)
    assert done.state == "refused"
    assert done.error is not None
    code, reason, row = done.error.split(":")
    assert (code, reason) == ("lead-file-encoding", "encoding")
    assert 2800 < int(row) <= 3002
    assert all_leads(gate, vault, campaign) == []


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found(bring: Bring, delimiter: str) -> None:
    done = bring(csv_bytes(("phone", "name"), ("+442079460101", "Carvalho, Ines"), delimiter=delimiter))
    assert (done.accepted, done.delimiter) == (1, delimiter)


def test_a_file_without_a_header_is_understood(
    gate: Gate, vault: Vault, campaign: Campaign, bring: Bring
) -> None:
    done = bring(csv_bytes(("Ines", "+442079460101"), ("Tom", "+442079460102")))
    assert (done.accepted, done.has_header) == (2, False)


def test_formulas_in_text_are_text(gate: Gate, vault: Vault, campaign: Campaign, bring: Bring) -> None:
    done = bring(csv_bytes(("phone", "name"), ("+442079460101", "=1+1"), ("=1+1", "b")))
    assert (done.accepted, done.bad) == (1, 1)
    assert all_leads(gate, vault, campaign)[0].person.name == "=1+1"


def test_an_open_quotation_mark_is_said(
    gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, stage: Bring
) -> None:
    content = csv_bytes(("phone", "name"), ("+442079460101", "a")) + b"+442079460102,c\n" * 9
    found = stage(content + b'+442079460103,"' + b"x" * 200_000)
    factory.confirmed(gate, vault, storage, found, campaign.tenant_id)
    done = factory.read(gate, vault, storage, campaign.tenant_id, found.import_id)
    assert (done.state, done.error) == ("refused", "lead-file:quotes:12")


# --- workbooks ----------------------------------------------------------------------------------------


def test_a_workbook_is_read(gate: Gate, vault: Vault, campaign: Campaign, bring: Bring) -> None:
    done = bring(
        book(
            ["Phone", "Name"], ["+442079460101", "Ines"], [442079460102, "as a number"], ["", ""], ["x", ""]
        ),
        name="leads.xlsx",
    )
    assert (done.format, done.accepted, done.bad, done.rows) == ("xlsx", 2, 1, 3)
    assert [one.person.name for one in all_leads(gate, vault, campaign)] == ["Ines", "as a number"]


def test_a_formula_is_never_evaluated(gate: Gate, vault: Vault, campaign: Campaign, bring: Bring) -> None:
    done = bring(book(["Phone", "Name"], ["", "Ines"], formulas={"A2": "=1+1"}))
    assert (done.accepted, reasons(gate, done, campaign.tenant_id)) == (0, {"formula": 1})
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        lines = list(
            imports.bad_csv(session, tenant_id=campaign.tenant_id, vault=vault, import_id=done.import_id)
        )
    assert lines[1].startswith("'=1+1,")


def test_a_number_in_scientific_writing_is_a_number() -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
        b'<c r="A1"><v>4.47700900123E+11</v></c><c r="C1" t="inlineStr"><is><r><t>In</t></r>'
        b"<r><t>es</t></r></is></c>"
        b"</row></sheetData></worksheet>"
    )
    found = list(workbook.rows(io.BytesIO(repacked(book(["x"]), sheet=sheet))))
    assert found == [(1, ["447700900123", "", "Ines"])]


BOMB = b"<worksheet>" + b" " * (64 << 20) + b"</worksheet>"
ENTITIES = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row><c t="inlineStr"><is><t>&c;</t></is></c></row></sheetData></worksheet>'
)


def locked() -> bytes:
    made = bytearray(book(["phone"], ["+442079460101"]))
    # the first bit of the general purpose flags, in every central directory entry
    at = made.find(b"PK\x01\x02")
    while at >= 0:
        made[at + 8] |= 1
        at = made.find(b"PK\x01\x02", at + 4)
    return bytes(made)


def lying() -> bytes:
    """Return a workbook whose sheet unpacks to more than its entry says."""
    made = bytearray(repacked(book(["x"]), sheet=b"<worksheet>" + b"<a/>" * 5000 + b"</worksheet>"))
    size = (11 + 4 * 5000 + 12).to_bytes(4, "little")
    return bytes(made.replace(size, (100).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"", LeadFileEmptyError, None),
        (b"\n \n,,\n", LeadFileEmptyError, None),
        (b"%PDF-1.7\n\x00\x01\x02", LeadFileError, "not-a-table"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", LeadFileError, "not-a-table"),
        (b"PK\x03\x04 not really", LeadFileError, "not-a-table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, LeadFileUnsafeError, "locked"),
        (locked(), LeadFileUnsafeError, "locked"),
        (lying(), LeadFileError, "not-a-table"),
        (repacked(book(["x"]), sheet=BOMB), LeadFileUnsafeError, "bomb"),
        (repacked(book(["x"]), sheet=ENTITIES), LeadFileError, "not-a-table"),
        (repacked(book(["x"]), **{"xl/embeddings/more.zip": book(["y"])}), LeadFileUnsafeError, "nested"),
        (repacked(book(["x"]), **{"xl/workbook.xml": b"<a/>"}), LeadFileError, "not-a-table"),
    ],
    ids=lambda one: "" if isinstance(one, bytes) else None,
)
def test_what_is_no_list_of_leads_is_refused(
    gate: Gate,
    tenant_a: TenantId,
    stage: Bring,
    content: bytes,
    error: type[LeadFileError],
    reason: str | None,
) -> None:
    with pytest.raises(error) as raised:
        stage(content)
    assert type(raised.value) is error
    assert raised.value.details.get("reason") == reason


@pytest.mark.parametrize(
    "numbers",
    [("2", "2"), ("3", "2"), ("0", "1"), ("1", "1048577"), ("1", "9" * 5000)],
    ids=("twice", "backwards", "nought", "too-many", "endless"),
)
def test_rows_whose_numbers_cannot_be_do_not_stop_the_import_half_way(numbers: tuple[str, str]) -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + b"".join(b'<row r="%s"><c><v>7</v></c></row>' % one.encode() for one in numbers)
        + b"</sheetData></worksheet>"
    )
    with pytest.raises(LeadFileError) as raised:
        list(workbook.rows(io.BytesIO(repacked(book(["x"]), sheet=sheet))))
    assert raised.value.details["reason"] == "not-a-table"


def test_a_string_whose_number_never_ends_is_refused() -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row><c t="s"><v>' + b"9" * 5000 + b"</v></c></row></sheetData></worksheet>"
    )
    with pytest.raises(LeadFileError):
        list(workbook.rows(io.BytesIO(repacked(book(["x"]), sheet=sheet))))


def test_a_row_that_never_ends_is_refused() -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row>'
        + b"".join(b"<c><v>%d</v></c>" % at for at in range(600_000))
        + b"</row></sheetData></worksheet>"
    )
    with pytest.raises(LeadFileUnsafeError):
        list(workbook.rows(io.BytesIO(repacked(book(["x"]), sheet=sheet))))


MAIN = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
END = b"</sheetData></worksheet>"


def many_strings(count: int) -> bytes:
    """Return a workbook whose only cell refers to the last of many shared strings."""
    space = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    return repacked(
        book(["x"]),
        sheet=MAIN + b'<row><c t="s"><v>%d</v></c></row>' % (count - 1) + END,
        strings=b"<sst %s>" % space + b"".join(b"<si><t>%d</t></si>" % at for at in range(count)) + b"</sst>",
    )


def comments(count: int) -> list[bytes]:
    """Return what says nothing, and does not pack so well that the archive is a bomb already."""
    return [b"<!-- %s -->" % os.urandom(40).hex().encode() for _ in range(count)]


def deep(depth: int) -> bytes:
    sheet = MAIN + b"<row>" + b"<a>" * depth + b"</a>" * depth + b"</row>" + END
    return stored(book(["x"]), sheet=sheet)


@pytest.mark.parametrize(
    ("content", "reason", "spent"),
    [
        (many_strings(6_000), "too-much-work", {"strings": 1_001}),
        (repacked(book(["x"]), sheet=MAIN + b"<row/>" * 6_000 + END), "too-much-work", {"rows": 1_001}),
        (
            repacked(
                book(["x"]),
                sheet=MAIN
                + b"".join(b"<row>" + b"<c/>" * 60 + one + b"</row>" for one in comments(900))
                + END,
            ),
            "too-much-work",
            {},
        ),
        (repacked(book(["x"]), sheet=MAIN + b"".join(comments(9_000)) + END), "too-much-work", {}),
        (deep(60_000), "bomb", {"elements": 60}),
    ],
    ids=("strings", "blank-rows", "elements", "bytes", "depth"),
)
def test_a_workbook_that_costs_much_is_let_go_after_a_measured_amount_of_work(
    content: bytes, reason: str, spent: dict[str, int]
) -> None:
    most = {"unpacked": 300_000, "elements": 30_000, "strings": 1_000, "rows": 1_000}
    effort = workbook.Effort(**most, seconds=3600)
    with pytest.raises(LeadFileUnsafeError) as raised:
        next(workbook.rows(io.BytesIO(content), effort=effort))
    assert raised.value.details["reason"] == reason
    for name, limit in most.items():
        used = limit - getattr(effort, name)
        assert used <= spent.get(name, limit + 65_536)  # bytes come in pieces of at most so many
    # and nobody who looks at the first rows reads without a measure
    assert workbook.Effort().strings < 1_000_000


def test_a_row_of_endless_empty_cells_is_a_bomb() -> None:
    sheet = MAIN + b"<row>" + b"<c/>" * 300_000 + b"</row>" + END
    content = stored(book(["x"]), sheet=sheet)
    effort = workbook.Effort(seconds=3600)
    with pytest.raises(LeadFileUnsafeError) as raised:
        next(workbook.rows(io.BytesIO(content), effort=effort))
    assert raised.value.details["reason"] == "bomb"
    assert 200_000 < 1_000_000 - effort.elements < 200_100


def test_the_list_of_an_archives_members_is_not_read_when_it_is_endless() -> None:
    class Watched(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            self.most = max(self.most, len(piece))
            return piece

    out = Watched()
    with zipfile.ZipFile(out, "w") as made:
        for at in range(12_000):
            made.writestr(f"{at:060d}", b"")
    with pytest.raises(LeadFileUnsafeError) as raised:
        next(workbook.rows(out))
    assert raised.value.details["reason"] == "bomb"
    assert out.most <= (1 << 20) + 1  # the whole list is longer


def test_a_preview_ends_whatever_the_workbook_holds(stage: Bring) -> None:
    with pytest.raises(LeadFileUnsafeError) as raised:
        stage(repacked(book(["x"]), sheet=MAIN + b"<row/>" * 25_000 + END))
    assert raised.value.details["reason"] == "too-much-work"


def test_a_file_with_too_many_bytes_is_refused(stage: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "LARGEST_FILE", 20)
    with pytest.raises(LeadFileTooLargeError):
        stage(csv_bytes(("phone", "name"), ("+442079460101", "Ines")))


def test_a_file_with_too_many_rows_brings_none(bring: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MOST_ROWS", 2)
    done = bring(csv_bytes(("phone",), ("+442079460101",), ("+442079460102",), ("+442079460103",)))
    assert (done.state, done.error, done.accepted) == ("refused", "lead-file-too-large:rows:", 0)


def test_two_columns_of_one_name_are_refused_until_somebody_chooses(
    gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, stage: Bring
) -> None:
    found = stage(csv_bytes(("phone", "Phone "), ("+442079460101", "+442079460102")))
    with pytest.raises(LeadColumnsError) as raised:
        factory.confirmed(gate, vault, storage, found, campaign.tenant_id)
    assert raised.value.details["reason"] == "same-name"
    factory.confirmed(gate, vault, storage, found, campaign.tenant_id, has_header=False, columns=Columns(0))
    done = factory.read(gate, vault, storage, campaign.tenant_id, found.import_id)
    assert (done.accepted, done.bad) == (1, 1)


def test_a_file_is_started_once(
    gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, stage: Bring
) -> None:
    found = stage(csv_bytes(("phone",), ("+442079460101",)))
    factory.confirmed(gate, vault, storage, found, campaign.tenant_id)
    with pytest.raises(LeadImportStateError):
        factory.confirmed(gate, vault, storage, found, campaign.tenant_id)


def test_another_companys_file_is_not_there(
    gate: Gate, vault: Vault, tenant_b: TenantId, stage: Bring
) -> None:
    found = stage(csv_bytes(("phone",), ("+442079460101",)))
    with gate.open(Scope.system(tenant_b)) as session, pytest.raises(LeadImportNotFoundError):
        imports.get(session, tenant_id=tenant_b, vault=vault, import_id=found.import_id)


def test_the_files_are_gone_once_they_are_read(
    storage: DiskStorage, settings: object, bring: Bring, tmp_path: object
) -> None:
    done = bring(csv_bytes(("phone",), ("+442079460101",)))
    imports.forget_files(storage, import_id=done.import_id)
    imports.forget_files(storage, import_id=done.import_id)
    with pytest.raises(Exception, match="object-missing"):
        storage.open(f"lead/{done.import_id}")
