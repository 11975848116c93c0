"""Reading long files of rates: staged sealed, read by a job with progress, settled with their draft."""

from contextlib import closing
from typing import BinaryIO, Protocol, cast
from uuid import UUID

from sqlalchemy.orm import Session

from billing import rate_decks
from billing.errors import PriceListError
from billing.events import RateDeckAsked
from billing.rate_decks import Fault
from core.ids import OPERATOR
from core.long_jobs import JobState
from core.storage import ObjectMissingError, Storage
from security.gate import Gate, Scope
from security.vault import Field, Vault
from wiring import price_sheet
from wiring.closing import Progress

KIND = "prices.read-deck"
_MOST_FAULTS = 50
AT_ONCE = 256 * 1024
"""Bytes of a file that is read within the request: some four thousand rates."""


class Means(Protocol):
    """What reading needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def vault(self) -> Vault:
        """Seals the file while it waits."""
        ...

    @property
    def storage(self) -> Storage:
        """Where it waits."""
        ...


def stage(means: Means, source: BinaryIO, *, deck_id: UUID) -> None:
    """Put a file where the job finds it, sealed; in the transaction that asks for the job."""
    source.seek(0)
    with means.storage.put(_name(deck_id)) as sink:
        means.vault.seal_file(_field(deck_id), source, sink)


def give_up(means: Means, session: Session, *, price_list_id: UUID) -> bool:
    """Have the file that waits for a list not read any more; return whether there was one."""
    gone = rate_decks.give_up(session, tenant_id=OPERATOR, price_list_id=price_list_id)
    for deck_id in gone:
        means.storage.delete(_name(deck_id))
    return bool(gone)


def run(means: Means, event: RateDeckAsked) -> None:
    """Read a file into the list's draft, or say what is wrong with it. A kill undoes all of it."""
    deck_id = event.deck_id
    with means.gate.open(Scope.system(OPERATOR)) as session:
        found = rate_decks.find(session, tenant_id=OPERATOR, deck_id=deck_id)
    progress = Progress(means.gate, deck_id, KIND)
    if found.state != "waiting":
        progress.write(JobState.DONE if found.state == "done" else JobState.FAILED)
        means.storage.delete(_name(deck_id))
        return
    try:
        sealed = means.storage.open(_name(deck_id))
    except ObjectMissingError:  # given up this moment
        progress.write(JobState.FAILED)
        return
    with closing(means.vault.open_file(_field(deck_id), sealed).stream()) as stream:
        source = cast("BinaryIO", stream)
        progress.total = price_sheet.length(source)
        progress.write(JobState.RUNNING)
        sheet = price_sheet.read(source, moved=lambda rows: progress.moved(done=rows))
    progress.write(JobState.RUNNING)  # all rows are read; writing them takes as long again
    faults: list[Fault] = [(one.row, one.column, one.code, one.other) for one in sheet.faults]
    if not faults:
        try:
            with means.gate.open(Scope.system(OPERATOR)) as session:
                rate_decks.make(
                    session,
                    tenant_id=OPERATOR,
                    deck_id=deck_id,
                    destinations=sheet.destinations,
                    rates=sheet.rates,
                    rentals=sheet.rentals,
                )
        except PriceListError as error:
            said = error.details.get("problems")
            found_wrong = said if isinstance(said, list) else [error.code]
            faults = [(0, "", str(one), 0) for one in found_wrong[:_MOST_FAULTS]]
    if faults:
        with means.gate.open(Scope.system(OPERATOR)) as session:
            rate_decks.refuse(session, tenant_id=OPERATOR, deck_id=deck_id, faults=faults)
    progress.done = progress.total = len(sheet.rates) + len(sheet.rentals)
    progress.made = 0 if faults else progress.done
    progress.failed = len(faults)
    progress.write(JobState.FAILED if faults else JobState.DONE)
    means.storage.delete(_name(deck_id))


def sweep(means: Means) -> None:
    """Give up what waited for a day, and remove again what a dying worker may have left."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        for deck_id in rate_decks.over(session, tenant_id=OPERATOR):
            means.storage.delete(_name(deck_id))


def _name(deck_id: UUID) -> str:
    return f"deck/{deck_id}"


def _field(deck_id: UUID) -> Field:
    return Field(OPERATOR, "rate_decks", "file", deck_id, 1, purpose="document")
