"""The company's agreement on secrecy: its text, and which agents have signed it."""

import datetime as dt
from typing import Literal

from flask import Response
from pydantic import Field

from tenants.agreements import LONGEST_GRACE_DAYS, LONGEST_TEXT, USUAL_GRACE_DAYS, Agreement
from tenants.errors import AgreementMissingError
from web.api import cursors
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Listed, Moment, Outward, PageQuery
from web.guards import permission
from web.shown import agreements

_LIST = "signers"


class AgreementShown(Outward):
    """One version of the agreement."""

    version: int
    body: str = Field(description="The whole text, as agents read it.")
    sha256: str = Field(description="Of the text in UTF-8, in hexadecimal.")
    effective_from: Moment
    closes_at: Moment = Field(description="When the version before stops counting.")


class NewAgreement(Inward):
    """The next version."""

    body: str = Field(min_length=1, max_length=LONGEST_TEXT, examples=["I keep secret what I learn."])
    grace_days: int = Field(
        default=USUAL_GRACE_DAYS,
        ge=0,
        le=LONGEST_GRACE_DAYS,
        description="How long the version before still counts.",
    )
    effective_on: dt.date | None = Field(
        default=None, description="From which day on, in the company's zone; none means now."
    )


class SignerShown(Outward):
    """An agent who works for the company, and how they stand to its agreement."""

    id: str = Field(examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: int = Field(description="What callers hear announced.")
    state: Literal["signed", "due", "unsigned", "revoked"] = Field(
        description="`due`: what they signed is not the newest, and counts until its time of grace is over."
    )
    version: int | None = Field(description="The newest they signed.")
    signed_at: Moment | None


class Signers(Listed):
    """Everybody at once, by number."""

    data: list[SignerShown]


@pages.get("/agreement")
@permission("agreements.read")
@operation(tag="Agreement", answers={200: AgreementShown}, errors=(404,), operation_id="getAgreement")
def get_agreement() -> AgreementShown:
    """Read the newest version of the agreement agents sign."""
    every = agreements.versions()
    if not every:
        raise AgreementMissingError
    return _shown(every[0])


@pages.post("/agreement")
@permission("agreements.write")
@operation(tag="Agreement", answers={201: AgreementShown}, errors=(409,), operation_id="publishAgreement")
def publish_agreement(json: NewAgreement) -> tuple[AgreementShown, int]:
    """Publish the next version. Who has not signed it when the grace is over is shut out."""
    made = agreements.publish(json.body, grace_days=json.grace_days, effective_on=json.effective_on)
    return _shown(made), 201


@pages.get("/agreement/signers")
@permission("agreements.read")
@operation(tag="Agreement", answers={200: Signers}, operation_id="listSigners")
def list_signers(query: PageQuery) -> Signers:
    """List the agents who work for the company, by number, and how they stand to the agreement."""
    after = cursors.decode(query.starting_after, of=_LIST)
    floor = sorted(agreements.signers(), key=lambda one: one.number)
    found = [one for one in floor if not after or one.number > int(after[0])]
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Signers(
        data=[
            SignerShown(
                id=one.id,
                number=one.number,
                state=one.state,  # type: ignore[arg-type] # one of the four
                version=one.version,
                signed_at=one.signed_at,
            )
            for one in shown
        ],
        has_more=has_more,
        next=cursors.encode(str(shown[-1].number), of=_LIST) if has_more else None,
    )


@pages.post("/agreement/signers/<signer_id>/shut-out")
@permission("agreements.write")
@operation(tag="Agreement", answers={204: None}, errors=(404, 409), operation_id="shutSignerOut")
def shut_signer_out(signer_id: str) -> Response:
    """Shut an agent out at once. A call they talk in goes on."""
    agreements.settle(signer_id, is_let_in=False)
    return Response(status=204)


@pages.post("/agreement/signers/<signer_id>/let-in")
@permission("agreements.write")
@operation(tag="Agreement", answers={204: None}, errors=(404, 409), operation_id="letSignerIn")
def let_signer_in(signer_id: str) -> Response:
    """Let an agent who was shut out sign again."""
    agreements.settle(signer_id, is_let_in=True)
    return Response(status=204)


def _shown(one: Agreement) -> AgreementShown:
    return AgreementShown(
        version=one.version,
        body=one.body,
        sha256=one.digest.hex(),
        effective_from=one.effective_from,
        closes_at=one.closes_at,
    )
