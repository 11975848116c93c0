"""The operator's agreement on secrecy, which every agent signs; and companies that have published none."""

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from tenants import agreements as room
from tenants import standard_agreement
from tenants.agreements import USUAL_GRACE_DAYS
from tenants.errors import AgreementTextError
from web import identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import agreements


@pages.get("/agreements")
@permission("agreements.read")
def agreement() -> str:
    """Show the operator's agreement, who has signed it, and which companies have none."""
    return _page()


@pages.post("/agreements")
@permission("agreements.write")
def publish_agreement() -> BaseResponse:
    """Publish a new version of the operator's agreement."""
    try:
        made = agreements.publish_typed()
    except AgreementTextError:
        return make_response(_page(is_wrong=True), 422)
    said.done(gettext("Version %(no)s is published.", no=made.version))
    return redirect("/operator/agreements", 303)


@pages.post("/agreements/standard")
@permission("agreements.write")
def publish_standard() -> BaseResponse:
    """Give every company that has published none the standard text; it may publish its own over it."""
    who, clients = identity.current(), {one.tenant_id: one for one in rounds.clients()}
    for tenant_id in agreements.without(clients):
        company = clients[tenant_id]
        with scope.within(tenant_id, principal_id=who.principal_id) as session:
            room.publish(
                session,
                tenant_id=tenant_id,
                body=standard_agreement.text_for(company.name, language=company.language),
                by=who.principal_id,
            )
    said.done(gettext("Every company has an agreement now."))
    return redirect("/operator/agreements", 303)


@pages.post("/agreements/signers/<signer_id>/shut-out")
@permission("agreements.write")
def shut_signer_out(signer_id: str) -> BaseResponse:
    """Shut an agent out of every company at once; a call they talk in goes on."""
    agreements.settle(signer_id, is_let_in=False)
    said.done(gettext("Shut out. They see no customer any more and are offered no call."))
    return redirect("/operator/agreements", 303)


@pages.post("/agreements/signers/<signer_id>/let-in")
@permission("agreements.write")
def let_signer_in(signer_id: str) -> BaseResponse:
    """Let an agent who was shut out sign again."""
    agreements.settle(signer_id, is_let_in=True)
    said.done(gettext("They may sign again, and take calls once they have."))
    return redirect("/operator/agreements", 303)


def _page(*, is_wrong: bool = False) -> str:
    company, every = identity.current().company, agreements.versions()
    clients = {one.tenant_id: one.name for one in rounds.clients() if one.status == "active"}
    standard = standard_agreement.text_for(company.name, language=company.language)
    return render_template(
        "operator/agreements.html",
        versions=every,
        signers=agreements.signers(),
        body=request.form.get("body") or (every[0].body if every else standard),
        grace_days=request.form.get("grace_days", str(USUAL_GRACE_DAYS)),
        is_wrong=is_wrong,
        without=[clients[one] for one in agreements.without(clients)],
    )
