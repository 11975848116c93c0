"""The papers of a number in words, for the operator's pages and the company's own."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from core import clock
from telephony.rights import Attestation, Holder, Paper, Right, Standing

HOLDERS: Mapping[Holder, LazyString] = {
    Holder.OPERATOR: _l("the operator"),
    Holder.CARRIER: _l("a carrier"),
    Holder.CLIENT: _l("the company that rents it"),
}
PAPERS: Mapping[Paper, LazyString] = {
    Paper.RANGE: _l("allocation of the range"),
    Paper.ORDER: _l("order of the number"),
    Paper.PORTING: _l("porting contract"),
    Paper.LETTER: _l("letter of authorisation"),
    Paper.CONTRACT: _l("contract"),
}
ATTESTATIONS: Mapping[Attestation, LazyString] = {
    Attestation.A: _l("A: who calls is known, and may show the number"),
    Attestation.B: _l("B: who calls is known"),
    Attestation.C: _l("C: only where the call came from is known"),
}
STANDINGS: Mapping[Standing, tuple[str, LazyString]] = {
    Standing.STANDS: ("ok", _l("may be shown")),
    Standing.ENDS_SOON: ("warn", _l("run out soon")),
    Standing.NOT_YET: ("off", _l("not yet")),
    Standing.ENDED: ("bad", _l("have run out")),
    Standing.WITHDRAWN: ("bad", _l("withdrawn")),
}


@dataclass(frozen=True, slots=True)
class RightShown:
    """One statement in words.

    Attributes:
        kind, standing: of a pill: whether the number may be shown now.
        holder: who is the holder of record.
        paper, reference: by what.
        attestation: its letter.
        starts_at: the first day; `ends_at` the last instant of the last day, or None: no end.
        stated_at: when it was stated; None on the company's pages.
    """

    kind: str
    standing: str
    holder: str
    paper: str
    reference: str
    attestation: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    withdrawn_at: dt.datetime | None
    version: int
    stated_at: dt.datetime | None


def right(one: Right, *, holder: str = "") -> RightShown:
    """Return a statement in words; `holder` names the client that holds the number."""
    kind, standing = STANDINGS[one.standing(clock.now())]
    return RightShown(
        kind=kind,
        standing=str(standing),
        holder=one.holder_name or holder or str(HOLDERS[one.holder]),
        paper=str(PAPERS[one.paper]),
        reference=one.reference,
        attestation=one.attestation.value,
        starts_at=one.starts_at,
        ends_at=one.ends_at - dt.timedelta(seconds=1) if one.ends_at else None,
        withdrawn_at=one.withdrawn_at,
        version=one.version,
        stated_at=one.stated_at,
    )
