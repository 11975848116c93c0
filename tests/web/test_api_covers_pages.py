"""Everything a page of the portal does, a program can do: a table of both, which fails when one is forgotten.

A new page without a line here fails, and so does a line whose page or operation is gone, and an operation
that lets in whom the page would not. A page that has no operation says why.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask import Flask

from tenants.roles import SCOPES
from tests.web.conftest import HOST
from web.api.document import document
from web.guards import guard_of

FORM = "a form for people: what it sends is the operation beside it"
PART = "a part of another page, fetched anew"
OWN = "a person's own: keys have no password, language, or lists laid out on a screen"
DOOR = "a door for people: programs carry their key with each request"
TRAP = "a trap is known to as few as possible: no program makes or lists decoys"
PERSON = "a person types or confirms it on the payment provider's own page"

# the page's view -> the operations that do the same, in part or in whole, or the reason why none does
PAGES: Mapping[str, tuple[str, ...] | str] = {
    # calls
    "portal.call_list": ("listCalls",),
    "portal.find_caller": ("searchCalls",),
    "portal.one_call": ("getCall",),
    "portal.reveal": ("revealCaller",),
    "portal.play": ("getRecording",),
    "portal.recording_list": ("listRecordings",),
    "portal.voicemail_list": ("listVoicemails",),
    "portal.find_recording": ("searchRecordings",),
    "portal.open_recording": ("getRecording",),
    "portal.check_recording": ("checkRecording",),
    "portal.peaks": ("getWaveform",),
    # calls out
    "portal.calls_out": ("getCallsOut", "listRefusedCalls"),
    "portal.save_calls_out": ("changeCallsOut",),
    "portal.stop_calls_out": ("stopCallsOut",),
    "portal.resume_calls_out": ("resumeCallsOut",),
    # campaigns and their leads
    "portal.campaign_list": ("listCampaigns",),
    "portal.new_campaign": FORM,
    "portal.add_campaign": ("createCampaign",),
    "portal.edit_campaign": FORM,
    "portal.save_campaign": ("changeCampaign",),
    "portal.one_campaign": ("getCampaign", "listLeadFiles", "listAttempts"),
    "portal.live_campaign": ("getCampaign",),
    "portal.call_again": ("callLeadsAgain",),
    "portal.turn_campaign": ("startCampaign", "pauseCampaign", "stopCampaign"),
    "portal.upload_leads": ("uploadLeads",),
    "portal.one_list": ("getLeadFile", "previewLeadFile"),
    "portal.start_list": ("importLeadFile",),
    "portal.discard_list": ("discardLeadFile",),
    "portal.bad_rows": ("getBadRows",),
    "portal.lead_list": ("listLeads",),
    "portal.find_lead": ("searchLeads",),
    # the company
    "portal.company_settings": ("getCompany",),
    "portal.save_company": ("changeCompany",),
    "portal.billing_details": ("getBillingDetails",),
    "portal.save_billing_details": ("changeBillingDetails",),
    # queues, and how a contact may end
    "portal.outcome_list": ("listDispositions",),
    "portal.save_outcome": ("putDisposition",),
    "portal.retire_outcome": ("retireDisposition",),
    "portal.queue_list": ("listQueues",),
    "portal.new_queue": FORM,
    "portal.add_queue": ("makeQueue",),
    "portal.one_queue": ("getQueue", "getQueueHours"),
    "portal.edit_queue": FORM,
    "portal.save_queue": ("changeQueue",),
    "portal.close_queue": ("closeQueue",),
    "portal.reopen_queue": ("reopenQueue",),
    "portal.leader_list": ("listTeamLeaders", "listTeamMessages"),
    "portal.save_leaders": ("setTeamLeaders",),
    "portal.write_message": ("writeToTeam",),
    "portal.promised_calls": ("listPromisedCalls",),
    "portal.withdraw_promise": ("withdrawPromisedCall",),
    "portal.flow_list": ("listFlows",),
    "portal.add_flow": ("makeFlow",),
    "portal.one_flow": ("getFlow", "listFlowVersions", "getFlowFigures"),
    "portal.save_flow_node": ("changeFlow",),
    "portal.add_flow_node": ("changeFlow",),
    "portal.take_flow_node": ("changeFlow",),
    "portal.save_flow_settings": ("changeFlow",),
    "portal.publish_flow": ("publishFlow",),
    "portal.bring_flow_back": ("bringFlowBack",),
    "portal.remove_flow": ("removeFlow",),
    "portal.lead_flow_number": ("leadNumber",),
    "portal.try_flow": ("tryFlow",),
    "portal.draw_flow": ("getFlow", "getFlowFigures"),
    "portal.flow_drawn": ("getFlow", "getFlowFigures"),
    "portal.redraw_flow": ("changeFlow",),
    "portal.flow_step": ("getFlow",),
    "portal.recording_policy": ("getRecordingPolicy",),
    "portal.save_recording_policy": ("changeRecordingPolicy",),
    "portal.routing_page": ("getRouting",),
    "portal.save_routing": ("changeRouting",),
    "portal.routing_trial": ("getRoutingTrial",),
    "portal.try_routing": ("tryRouting",),
    "portal.routing_targets": ("getRoutingTargets",),
    "portal.queue_opening": FORM,
    "portal.save_queue_opening": ("changeQueueHours",),
    # customers
    "portal.customer_list": ("listCustomers",),
    "portal.find_customer": ("searchCustomers",),
    "portal.new_customer": FORM,
    "portal.add_customer": ("addCustomer",),
    "portal.one_customer": ("getCustomer", "listInteractions", "listLooks", "listTickets", "getTicket"),
    "portal.status_list": ("listAgentStatuses",),
    "portal.save_status": ("putAgentStatus",),
    "portal.retire_status": ("retireAgentStatus",),
    "portal.ticket_list": ("listTickets",),
    "portal.set_tier": ("setCustomerTier",),
    "portal.set_pin": ("setCustomerPin",),
    "portal.caller_number_list": ("listCallerNumbers",),
    "portal.ask_for_caller_number": ("askForCallerNumber",),
    "portal.caller_number_paper": ("getCallerNumberPaper",),
    "portal.prove_caller_number": ("proveCallerNumber",),
    "portal.withdraw_caller_number": ("withdrawCallerNumber",),
    "portal.room_list": ("listRooms",),
    "portal.new_room": FORM,
    "portal.add_room": ("makeRoom",),
    "portal.one_room": ("getRoom",),
    "portal.edit_room": FORM,
    "portal.save_room": ("changeRoom",),
    "portal.save_room_pins": ("changeRoom",),
    "portal.live_room": ("getRoom",),
    "portal.send_out_of_room": ("sendOutOfRoom",),
    "portal.mute_in_room": ("leadRoom",),
    "portal.lock_room": ("leadRoom",),
    "portal.close_room": ("closeRoom",),
    "portal.sound_list": ("listSounds",),
    "portal.add_sound": ("addSound",),
    "portal.sound_audio": ("getSoundAudio",),
    "portal.remove_sound": ("removeSound",),
    "portal.open_ticket": ("openTicket",),
    "portal.move_ticket": ("changeTicket",),
    "portal.reveal_customer": ("getCustomer",),
    "portal.edit_customer": FORM,
    "portal.save_customer": ("changeCustomer",),
    "portal.bar_customer": ("setDoNotCall",),
    "portal.record_consent": ("recordConsent",),
    "portal.erase_customer": ("eraseCustomer",),
    "portal.erase_number": ("eraseNumber",),
    "portal.erasure_list": ("listErasures",),
    "portal.erasure_certificate": ("getErasure",),
    "portal.hold_list": ("listHolds",),
    "portal.set_hold": ("setHold",),
    "portal.lift_hold": ("liftHold",),
    "portal.retention_list": ("getRetention",),
    "portal.set_retention": ("setRetention",),
    "portal.export_list": ("listExports", "getExport"),
    "portal.ask_for_export": ("makeExport",),
    "portal.fetch_export": ("getExportArchive",),
    "portal.remove_export": ("removeExport",),
    "account.download_list": ("makeDownload", "listDownloads", "getDownload"),
    "account.fetch_download": ("getDownloadFile",),
    "account.remove_download": ("removeDownload",),
    "portal.do_not_call_list": ("listDoNotCall",),
    "portal.find_do_not_call": ("searchDoNotCall",),
    "portal.add_do_not_call": ("addBatchToDoNotCall",),
    "portal.undo_do_not_call": ("removeBatchFromDoNotCall",),
    "portal.change_do_not_call": ("addToDoNotCall", "removeFromDoNotCall"),
    # keys
    "portal.developers": ("listApiKeys", "getApiKey"),
    "portal.make_key": ("makeApiKey",),
    "portal.revoke_key": ("revokeApiKey",),
    # now
    "portal.home": ("getRunningBill", "getLive", "listCalls", "listInvoices", "listPayments", "listWebhooks"),
    "portal.live_bill": ("getRunningBill",),
    "portal.live_queues": ("getLive",),
    "portal.live_seats": ("getLive",),
    "portal.live_calls": ("listCalls",),
    "portal.live": ("getLive", "getToday"),
    "portal.live_floor": ("getLive",),
    "portal.live_today": ("getToday",),
    "portal.intervals": ("getIntervals", "listFirstContacts"),
    # invoices and payments
    "portal.invoice_list": ("listInvoices",),
    "portal.bill_preview": ("getRunningBill", "listUsage"),
    "portal.one_invoice": ("getInvoice", "getInvoicePayment", "listCreditNotes", "listDisputes"),
    "portal.what_if_page": ("getWhatIf",),
    "portal.spend": ("getSpend",),
    "portal.service_levels": ("getServiceLevels",),
    "portal.survey_results": ("listSurveys", "listAgentRatings"),
    "portal.cost_shares": ("listCostShares",),
    "portal.refund_list": ("listRefunds",),
    "portal.dispute_form": FORM,
    "portal.open_dispute": ("openDispute",),
    "portal.one_dispute": ("getDispute",),
    "portal.credit_pdf": ("getCreditNotePdf",),
    "portal.invoice_pdf": ("getInvoicePdf",),
    "portal.invoice_csv": ("getInvoiceEvents",),
    "portal.invoice_csv_in_full": ("getInvoiceEventsInFull",),
    "portal.invoice_xml": ("getInvoiceXml",),
    "portal.credit_xml": ("getCreditNoteXml",),
    "portal.invoice_proof": ("getInvoiceProof",),
    "portal.statement": ("getStatement", "listOpenInvoices"),
    "portal.statement_pdf": ("getStatementPdf",),
    "portal.statement_csv": ("getStatementCsv",),
    "portal.wallet": ("getWallet", "listWalletEntries", "listTopUps"),
    "portal.top_up_wallet": ("topUpWallet",),
    "portal.back_from_top_up": PERSON,
    "portal.top_up_receipt": ("listTopUps",),
    "portal.set_automatic_top_up": ("setAutomaticTopUp", "removeAutomaticTopUp"),
    "portal.calls_of_line": ("listLineUsage",),
    "portal.payment_methods": ("listPaymentMethods",),
    "portal.add_payment_method": PERSON,
    "portal.saved_payment_method": PERSON,
    "portal.default_payment_method": ("makePaymentMethodDefault",),
    "portal.remove_payment_method": ("removePaymentMethod",),
    "portal.pay_invoice": ("payInvoice",),
    "portal.back_from_page": PERSON,
    "portal.receipt": ("getReceipt",),
    # seats and numbers
    "portal.seats": ("listSeats",),
    "portal.rent_form": ("quoteSeats", "listFreeSeats"),
    "portal.rent_seats": ("rentSeats",),
    "portal.release_seat": ("releaseSeat",),
    "portal.restore_seat": ("restoreSeat",),
    "portal.number_list": ("listNumbers", "searchNumbers", "listNumberHolds", "listRestingNumbers"),
    "portal.hold_number": ("holdNumber",),
    "portal.end_hold": ("endNumberHold",),
    "portal.rent_number": ("rentNumber",),
    "portal.save_number": ("setUpNumber",),
    "portal.forward_number": ("forwardNumber", "stopForwarding"),
    "portal.release_number": ("releaseNumber",),
    "portal.restore_number": ("restoreNumber",),
    # people
    "portal.people_list": ("listPeople",),
    "portal.access_history": ("listAccessLog",),
    "portal.invitation_form": FORM,
    "portal.invite": ("invitePerson",),
    "portal.one_person": ("getPerson",),
    "portal.new_link": ("makePersonLink",),
    "portal.change_role": ("changePerson",),
    "portal.settle_role": FORM,
    "portal.take_second_step": "an owner who has just signed in does it, after speaking to the person",
    "portal.shut_out": ("changePerson",),
    "portal.let_in": ("changePerson",),
    # the agreement on secrecy
    "portal.agreement": ("getAgreement", "listSigners"),
    "portal.publish_agreement": ("publishAgreement",),
    "portal.shut_signer_out": ("shutSignerOut",),
    "portal.let_signer_in": ("letSignerIn",),
    # looks and decoys
    "portal.look_list": ("getLooks",),
    "portal.set_look_budget": ("setLookBudget",),
    "portal.grant_looks": ("grantLooks",),
    "portal.decoy_list": TRAP,
    "portal.invent_decoy": TRAP,
    "portal.mark_decoy": TRAP,
    "portal.unmark_decoy": TRAP,
    # alarms
    "portal.alarm_list": ("listAlarms", "listRefusals"),
    "portal.acknowledge_alarm": ("acknowledgeAlarm",),
    # evidence
    "portal.evidence_log": ("listEvidence",),
    "portal.evidence_file": ("getEvidenceLog",),
    "portal.evidence_checkpoint": ("getEvidenceCheckpoint",),
    # webhooks
    "portal.webhook_list": ("listWebhooks",),
    "portal.add_webhook": ("addWebhook",),
    "portal.one_webhook": ("getWebhook", "listDeliveries"),
    "portal.change_webhook": ("changeWebhook",),
    "portal.switch_webhook": ("changeWebhook",),
    "portal.roll_secret": ("rollWebhookSecret",),
    "portal.remove_webhook": ("removeWebhook",),
    "portal.test_webhook": ("testWebhook",),
    "portal.replay_range": ("replayWebhook",),
    "portal.one_delivery": ("getDelivery",),
    "portal.live_delivery": ("getDelivery",),
    "portal.replay_one": ("replayDelivery",),
    # the person
    "account.front": DOOR,
    "account.sign_in": DOOR,
    "account.sign_in_form": DOOR,
    "account.sign_in_code": DOOR,
    "account.ask_for_passkey": DOOR,
    "account.sign_in_by_passkey": DOOR,
    "account.show_passkeys": OWN,
    "account.ask_for_new_passkey": OWN,
    "account.add_passkey": OWN,
    "account.rename_passkey": OWN,
    "account.remove_passkey": OWN,
    "account.forgotten_form": DOOR,
    "account.ask_for_reset": DOOR,
    "account.reset_form": DOOR,
    "account.reset_password": DOOR,
    "account.show_second_step": OWN,
    "account.confirm_second_step": OWN,
    "account.remove_second_step": OWN,
    "account.sign_out": DOOR,
    "account.welcome": DOOR,
    "account.choose_password": DOOR,
    "account.show_password": OWN,
    "account.change_password": OWN,
    "account.show_settings": OWN,
    "account.save_settings": OWN,
    "account.choose_language": OWN,
    "account.keep_view": OWN,
    "account.forget_view": OWN,
    "account.choose_view": OWN,
}
# Pages whose operations may ask for another permission than the page does, each with its reason.
OTHERWISE: Mapping[str, str] = {
    "portal.home": "each card is shown to who may see it",
    "portal.one_list": "the preview shows rows in clear, to who may import them",
    "portal.number_list": "what can be rented is shown to who may rent",
    "account.download_list": "one's own; a file asks for its table's permission",
    "account.fetch_download": "one's own; a file asks for its table's permission",
    "account.remove_download": "one's own",
    "portal.bill_preview": "the bill as it grows has a permission of its own",
}


Operations = Mapping[str, Mapping[str, Any]]


@pytest.fixture
def operations(app: Flask) -> Operations:
    with app.test_request_context(base_url=HOST):
        paths = document(app)["paths"]
    return {one["operationId"]: one for item in paths.values() for one in item.values()}


def pages(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield the view of each page for client companies, with its permission."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] in {"portal", "account"}:
            guard = guard_of(app.view_functions[rule.endpoint])
            assert guard is not None
            yield rule.endpoint, guard.permission or ""


def test_every_page_has_its_operation_or_a_reason(app: Flask, operations: Operations) -> None:
    shown = {name for name, _ in pages(app)}
    assert shown - PAGES.keys() == set(), (
        "a page without a line in this table: which operation does the same?"
    )
    assert PAGES.keys() - shown == set(), "a line of this table whose page is gone"
    named = {one for found in PAGES.values() if isinstance(found, tuple) for one in found}
    assert named - operations.keys() == set(), "a line of this table whose operation is gone"
    assert all(len(found) > 0 for found in PAGES.values())


def test_an_operation_lets_in_whom_its_page_lets_in(app: Flask, operations: Operations) -> None:
    strange = {
        (name, one, operations[one].get("x-scope"))
        for name, permission in pages(app)
        if isinstance(PAGES[name], tuple) and name not in OTHERWISE
        for one in PAGES[name]
        if operations[one].get("x-scope") != permission
    }
    assert not strange


def test_every_permission_of_the_portal_can_be_given_to_a_key(app: Flask) -> None:
    needed = {permission for name, permission in pages(app) if isinstance(PAGES[name], tuple)}
    assert needed - {"portal.open", "self.read", "self.write"} <= set(SCOPES)
