"""The company's agreement on secrecy: its text, and which agents have signed it."""

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from tenants import standard_agreement
from tenants.agreements import USUAL_GRACE_DAYS
from tenants.errors import AgreementTextError
from web import identity, said
from web.guards import permission
from web.portal.views import pages
from web.shown import agreements


@pages.get("/agreement")
@permission("agreements.read")
def agreement() -> str:
    """Show the agreement and who has signed it."""
    return _page()


@pages.post("/agreement")
@permission("agreements.write")
def publish_agreement() -> BaseResponse:
    """Publish a new version; who signed the last one has the days of grace to sign this."""
    try:
        made = agreements.publish_typed()
    except AgreementTextError:
        return make_response(_page(is_wrong=True), 422)
    said.done(gettext("Version %(no)s is published.", no=made.version))
    return redirect("/portal/agreement", 303)


@pages.post("/agreement/signers/<signer_id>/shut-out")
@permission("agreements.write")
def shut_signer_out(signer_id: str) -> BaseResponse:
    """Shut an agent out of the company at once; a call they talk in goes on."""
    agreements.settle(signer_id, is_let_in=False)
    said.done(gettext("Shut out. They see no customer any more and are offered no call."))
    return redirect("/portal/agreement", 303)


@pages.post("/agreement/signers/<signer_id>/let-in")
@permission("agreements.write")
def let_signer_in(signer_id: str) -> BaseResponse:
    """Let an agent who was shut out sign again."""
    agreements.settle(signer_id, is_let_in=True)
    said.done(gettext("They may sign again, and take calls once they have."))
    return redirect("/portal/agreement", 303)


def _page(*, is_wrong: bool = False) -> str:
    company, every = identity.current().company, agreements.versions()
    standard = standard_agreement.text_for(company.name, language=company.language)
    begun = request.form.get("body") or (every[0].body if every else standard)
    return render_template(
        "portal/agreement.html",
        versions=every,
        signers=agreements.signers(),
        body=begun,
        grace_days=request.form.get("grace_days", str(USUAL_GRACE_DAYS)),
        is_wrong=is_wrong,
    )
