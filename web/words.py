"""Words for codes: roles, scopes and problems, in the reader's language.

Rooms speak in codes; here each code gets its words once. A problem says what happened and what to do next.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

ROLES: Mapping[str, LazyString] = {
    "tenant_owner": _l("Owner"),
    "tenant_admin": _l("Administrator"),
    "tenant_supervisor": _l("Supervisor"),
    "tenant_analyst": _l("Analyst"),
    "agent": _l("Agent"),
    "operator_billing": _l("Billing"),
    "operator_inventory": _l("Inventory"),
    "operator_support": _l("Support"),
}

SCOPES: Mapping[str, LazyString] = {
    "calls.read": _l("See calls"),
    "recordings.listen": _l("Fetch recordings"),
    "invoices.read": _l("See invoices"),
    "invoices.pay": _l("Pay invoices with what is saved, and remove saved ways to pay"),
    "usage.read": _l("See the running bill and every event on it"),
    "live.read": _l("See queues and people as they are now"),
    "queues.read": _l("See queues"),
    "queues.write": _l("Make, change and close queues"),
    "agents.read": _l("See agents’ hours"),
    "customers.read": _l("See customers in full; each look is recorded"),
    "customers.write": _l("Add and change customers"),
    "users.read": _l("See who may sign in"),
    "users.write": _l("Invite people and change what they may do"),
    "settings.read": _l("See the company’s settings"),
    "settings.write": _l("Change the company’s settings"),
    "keys.read": _l("See API keys"),
    "campaigns.read": _l("See campaigns"),
    "campaigns.write": _l("Make campaigns, upload leads, start and stop"),
    "keys.write": _l("Make and revoke API keys"),
    "webhooks.read": _l("See webhooks and what they were sent"),
    "webhooks.write": _l("Add, change and remove webhooks"),
    "seats.read": _l("See rented seats"),
    "seats.rent": _l("Rent and give back seats"),
    "numbers.read": _l("See rented numbers"),
    "numbers.rent": _l("Rent, set up and give back numbers"),
    "audit.read": _l("See who did what"),
    "alarms.read": _l("See alarms"),
    "alarms.write": _l("Take note of alarms"),
    "agreements.read": _l("See the agreement on secrecy and who has signed it"),
    "agreements.write": _l("Publish the agreement on secrecy, shut signers out"),
    "company.export": _l("Export everything the company owns"),
    "privacy.read": _l("See erasures and legal holds"),
    "privacy.write": _l("Erase people, set and lift legal holds"),
}


# what the evidence log calls what was done
ACTIONS: Mapping[str, LazyString] = {
    "access.invited": _l("Invited somebody"),
    "access.link-made": _l("Made a link that sets another password"),
    "access.password-chosen": _l("Chose a password by a link"),
    "access.role-changed": _l("Changed somebody’s role"),
    "access.shut-out": _l("Shut somebody out"),
    "access.let-in": _l("Let somebody in again"),
    "agent.assigned": _l("Let an agent work for a company"),
    "agent.telephone-set": _l("Let an agent’s calls ring at their own telephone"),
    "agent.telephone-removed": _l("Took an agent’s own telephone away"),
    "agent.unassigned": _l("Took an agent from a company"),
    "access.second-step-taken": _l("Took a lost second step away"),
    "access.key-made": _l("Made an API key"),
    "access.key-revoked": _l("Revoked an API key"),
    "glass.asked": _l("Asked to look into a company"),
    "glass.approved": _l("Let a colleague look into a company"),
    "glass.granted": _l("The operator was let in by two people"),
    "glass.looked": _l("The operator looked into the company"),
    "glass.ended": _l("Ended a look into a company"),
    "glass.reviewed": _l("Reviewed a look into a company"),
    "agreement.published": _l("Published an agreement on secrecy"),
    "agreement.signed": _l("Signed the agreement on secrecy"),
    "agreement.revoked": _l("Shut a signer out"),
    "agreement.admitted": _l("Let a signer sign again"),
    "alarm.raised": _l("An alarm was raised"),
    "alarm.heard": _l("A company’s alarm came in"),
    "alarm.acknowledged": _l("Took note of an alarm"),
    "journal.posted": _l("Booked a movement of money"),
    "call.noted": _l("Wrote down the calls of a minute"),
    "retention.changed": _l("Changed for how long something is kept"),
    "retention.ran": _l("Removed by age what was old enough"),
    "download.asked": _l("Asked for a table as a file"),
    "download.fetched": _l("Fetched a table as a file"),
    "usage.rerun-approved": _l("Approved rating a stretch again"),
    "export.asked": _l("Asked for an export of everything"),
    "export.made": _l("An export was made"),
    "export.fetched": _l("Fetched an export"),
    "export.removed": _l("An export was removed"),
    "erasure.asked": _l("Asked for a person to be erased"),
    "erasure.done": _l("A person was erased"),
    "status.defined": _l("Set up a status of agents"),
    "status.retired": _l("Retired a status of agents"),
    "team.signed-out": _l("Signed an agent out"),
    "team.leader-set": _l("Said what an agent may do as a team leader"),
    "team.call-heard": _l("Was in another agent’s call"),
    "team.call-taken": _l("Took another agent’s call over"),
    "team.caller-moved": _l("Moved a waiting caller to another queue"),
    "team.agent-moved": _l("Put an agent into another queue"),
    "team.message-sent": _l("Wrote to the team"),
    "team.status-set": _l("Set another agent’s status"),
    "ticket.opened": _l("Opened a ticket"),
    "ticket.changed": _l("Changed a ticket"),
    "ticket.closed": _l("Closed a ticket"),
    "ticket.reopened": _l("Opened a ticket again"),
    "hold.set": _l("Set a legal hold"),
    "hold.lifted": _l("Lifted a legal hold"),
    "company.closed": _l("Closed a company"),
    "recovery.asked": _l("Asked for a lost second step to be taken"),
    "recovery.confirmed": _l("Agreed that a lost second step is taken"),
    "recovery.called-off": _l("Called the taking of a second step off"),
    "recovery.not-lost": _l("Left a second step: it was used meanwhile"),
    "recovery.done": _l("A lost second step was taken"),
    "deletion.asked": _l("Asked for a company to be deleted"),
    "deletion.confirmed": _l("Confirmed that a company is deleted"),
    "deletion.called-off": _l("Called the deletion of a company off"),
    "deletion.done": _l("A company was deleted"),
    "backup.made": _l("Made a backup"),
    "backup.restored": _l("Restored a backup"),
    "key.rotation-asked": _l("Started replacing a company’s key"),
    "key.root-replaced": _l("Replaced the root key"),
    "key.rotated": _l("A key was replaced"),
    "campaign.made": _l("Made a campaign"),
    "campaign.changed": _l("Changed a campaign"),
    "campaign.running": _l("Started a campaign"),
    "campaign.paused": _l("Paused a campaign"),
    "campaign.stopped": _l("Stopped a campaign"),
    "campaign.finished": _l("The campaign came to its end"),
    "campaign.called-again": _l("Let leads be called again whose outcome is not known"),
    "company.opened": _l("Took in a company"),
    "company.changed": _l("Changed the company’s settings"),
    "company.step-required": _l("Required a second step of everybody"),
    "company.step-freed": _l("Left the second step to everybody’s own choice"),
    "calls-out.stopped": _l("Stopped calls out"),
    "calls-out.resumed": _l("Let calls go out again"),
    "calls-out.rules-changed": _l("Changed where and when calls go out"),
    "calls-out.caps-changed": _l("Changed how much may be called"),
    "switch.trunk-changed": _l("Changed how many calls a trunk carries"),
    "code.shared": _l("Let companies share a short code"),
    "code.ended": _l("Shared a short code no longer"),
    "code.company-added": _l("Put a company on a short code"),
    "code.company-left": _l("Took a company off a short code"),
    "switch.bounds-changed": _l("Changed how many calls the switch takes"),
    "calls-out.barred": _l("Barred numbers for everybody"),
    "calls-out.unbarred": _l("Took numbers off the barred list"),
    "company.suspended": _l("Suspended a company"),
    "company.reinstated": _l("Resumed a company"),
    "consent.given": _l("Recorded consent"),
    "consent.withdrawn": _l("Recorded that consent was withdrawn"),
    "credit-hold.placed": _l("Put the account on credit hold"),
    "credit-hold.lifted": _l("Lifted the credit hold"),
    "wallet.terms-set": _l("Set how a company pays beforehand"),
    "cost-share.agreed": _l("Agreed who pays a part of calls"),
    "seller.changed": _l("Changed our details on invoices"),
    "billing-details.changed": _l("Changed the billing details"),
    "billing-terms.changed": _l("Changed the terms of billing"),
    "safety.set": _l("Set what bills may come to"),
    "bill.held": _l("Held a bill"),
    "bill.release-asked": _l("Asked to release a held bill"),
    "bill.released": _l("Released a held bill"),
    "service.counted": _l("Said how the promised service was"),
    "wallet.automatic-set": _l("Set when the wallet tops itself up"),
    "dunning.steps-set": _l("Set the steps of dunning"),
    "dunning.reminded": _l("Reminded of an invoice"),
    "dunning.warned": _l("Reminded of an invoice for the last time"),
    "dunning.suspended": _l("Suspended calls out over an invoice"),
    "dunning.skipped": _l("Left out a step of dunning"),
    "dunning.paused": _l("Put dunning off"),
    "dunning.went-on": _l("Let dunning go on"),
    "customer.added": _l("Added a customer"),
    "customer.changed": _l("Changed a customer"),
    "customer.budget-set": _l("Changed what agents may see and hear"),
    "customer.looks-granted": _l("Let an agent look more often for an hour"),
    "decoy.made": _l("Made a decoy"),
    "decoy.removed": _l("Made an ordinary customer of a decoy"),
    "customer.revealed": _l("Looked at a customer’s field in full"),
    "queue.made": _l("Made a queue"),
    "queue.changed": _l("Changed a queue"),
    "queue.closed": _l("Closed a queue"),
    "queue.hours-changed": _l("Changed a queue’s opening hours"),
    "queue.reopened": _l("Opened a queue again"),
    "routing.changed": _l("Changed the routing"),
    "recording-policy.changed": _l("Changed what is recorded"),
    "routing.tried": _l("Tried the traffic models on past calls"),
    "callback.withdrawn": _l("Withdrew a promised call"),
    "customer.pin-set": _l("Set a customer’s PIN"),
    "customer.pin-removed": _l("Removed a customer’s PIN"),
    "sound.added": _l("Uploaded a sound"),
    "sound.removed": _l("Removed a sound"),
    "room.made": _l("Made a conference room"),
    "room.changed": _l("Changed a conference room"),
    "room.closed": _l("Closed a conference room"),
    "room.barred": _l("Closed a conference room for a while: too many wrong PINs"),
    "room.caller-sent-out": _l("Sent somebody out of a conference room"),
    "room.caller-muted": _l("Muted somebody in a conference room"),
    "room.caller-unmuted": _l("Let somebody be heard again in a conference room"),
    "room.locked": _l("Locked a conference room"),
    "room.unlocked": _l("Opened a locked conference room again"),
    "flow.made": _l("Made a flow"),
    "flow.changed": _l("Changed a flow’s draft"),
    "flow.published": _l("Published a flow"),
    "flow.removed": _l("Removed a flow"),
    "number.forwarding-changed": _l("Changed to which phone a number forwards its callers"),
    "number.right-stated": _l("Stated whose number it is and by which paper it is used"),
    "number.right-withdrawn": _l("Withdrew the right to show a number"),
    "number.right-changed": _l("The papers of a number changed"),
    "caller-number.asked": _l("Asked to show a number held elsewhere"),
    "caller-number.check-begun": _l("Made a code to be told at a number held elsewhere"),
    "caller-number.check-failed": _l("Typed too many wrong codes for a number held elsewhere"),
    "caller-number.proven": _l("Proved that a number held elsewhere is the company’s to show"),
    "caller-number.allowed": _l("Allowed a company to show a number held elsewhere"),
    "caller-number.refused": _l("Refused a number held elsewhere"),
    "caller-number.withdrawn": _l("Withdrew a number held elsewhere"),
    "caller-number.provided": _l("Ended a number held elsewhere that the operator provides by now"),
    "number.flow-changed": _l("Changed which flow a number leads into"),
    "do-not-call.added": _l("Put a number on the do-not-call list"),
    "do-not-call.removed": _l("Took a number off the do-not-call list"),
    "item.ordered": _l("Charged a one-off item"),
    "invoice.finalised": _l("Finalised an invoice"),
    "invoice-copy.begun": _l("Began an invoice’s copy at the payment provider again"),
    "invoice-copy.differs": _l("Stopped an invoice’s copy at the payment provider: it differs"),
    "invoice-copy.refused": _l("Stopped an invoice’s copy: the payment provider refuses it"),
    "invoice-copy.open": _l("Gave the payment provider a copy of an invoice"),
    "invoice-copy.paid": _l("An invoice’s copy at the payment provider was paid"),
    "invoice-copy.void": _l("An invoice’s copy was taken back at the payment provider"),
    "invoice-copy.again": _l("Had an invoice’s copy at the payment provider made anew"),
    "dispute.opened": _l("Disputed an invoice"),
    "dispute.refused": _l("Refused a dispute"),
    "credit-note.asked": _l("Asked for a credit note"),
    "credit-note.issued": _l("Issued a credit note"),
    "credit-note.refused": _l("Refused a credit note"),
    "number.revealed": _l("Looked at a caller’s number in full"),
    "payment.refund-asked": _l("Gave money back"),
    "payment.refund-waits": _l("Asked to give money back"),
    "payment.refund-refused": _l("Refused to give money back"),
    "top-up.refund-asked": _l("Gave back money of a top-up"),
    "top-up.refund-waits": _l("Asked to give back money of a top-up"),
    "top-up.refund-refused": _l("Refused to give back money of a top-up"),
    "wallet.transfer-made": _l("Gave back money of a wallet by transfer"),
    "wallet.transfer-waits": _l("Asked to give back money of a wallet by transfer"),
    "wallet.transfer-refused": _l("Refused to give back money of a wallet by transfer"),
    "top-up.refund-came-back": _l("Put money of a top-up back into the wallet"),
    "reconciliation.assigned": _l("Said who answers for a difference with the payment provider"),
    "reconciliation.explained": _l("Explained a difference with the payment provider"),
    "reconciliation.settled": _l("Settled a difference with the payment provider"),
    "reconciliation.open": _l("Opened a difference with the payment provider again"),
    "passkey.added": _l("Added a passkey"),
    "passkey.removed": _l("Removed a passkey"),
    "company-prices.planned": _l("Chose another price list from a day on"),
    "company-prices.kept": _l("Took a change of the price list back"),
    "price-list.created": _l("Made a price list"),
    "invoice.approved": _l("Approved the draft of an invoice"),
    "invoice.numbers-fetched": _l("Fetched an invoice’s calls with their numbers in full"),
    "price-list.published": _l("Published a price list"),
    "recording.checked": _l("Compared a recording with its hash"),
    "recording.fetched": _l("Downloaded a recording"),
    "recording.opened": _l("Said what a recording is heard for"),
    "recording.played": _l("Played a recording"),
    "second-step.enabled": _l("Turned the second step on"),
    "second-step.recovered": _l("Signed in by a recovery code"),
    "second-step.removed": _l("Turned the second step off"),
    "session.started": _l("Signed in"),
    "session.ended": _l("Signed out, or was signed out"),
    "usage.taken-over": _l("Took a later report of usage over"),
    "usage.rated-again": _l("Rated usage again by other prices"),
    "usage.kept": _l("Kept the first report of usage"),
    "usage.settled": _l("Put a part of a shared call right that was rated again after its invoice"),
    "usage.corrected": _l("Corrected a rejected row of usage, and billed it"),
    "usage.thrown-away": _l("Threw a rejected row of usage away"),
    "user.added": _l("Added an account"),
    "user.disabled": _l("Shut out an account by the command line"),
    "user.password-changed": _l("Changed a password"),
    "user.reset-sent": _l("Sent a link for another password by mail"),
    "user.reset-used": _l("Chose another password by the link from the mail"),
    "webhook.added": _l("Added a webhook"),
    "webhook.changed": _l("Changed a webhook"),
    "webhook.removed": _l("Removed a webhook"),
    "webhook.secret-rolled": _l("Gave a webhook a new secret"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """What happened, and what to do next."""

    title: LazyString
    advice: LazyString


# what a recording is heard for; see `telephony.hearings.HeardFor`
HEARD_FOR: Mapping[str, LazyString] = {
    "quality": _l("Quality: how the call was handled"),
    "training": _l("Training"),
    "complaint": _l("A complaint of the customer"),
    "dispute": _l("A dispute about what was agreed or charged"),
    "legal": _l("A legal claim, or an order of an authority"),
    "security": _l("Security: fraud, threats or abuse"),
    "answer": _l("To answer a message"),
}
# why a team leader signs an agent out; see `web.console.team`
SENT_HOME_FOR: Mapping[str, LazyString] = {
    "shift-over": _l("The shift is over"),
    "left": _l("They are not at their desk"),
    "trouble": _l("Their line or computer is in trouble"),
    "conduct": _l("Conduct"),
}
TICKET_KINDS: Mapping[str, LazyString] = {
    "complaint": _l("Complaint"),
    "enquiry": _l("Enquiry"),
    "request": _l("Request"),
}
TICKET_STATES: Mapping[str, LazyString] = {
    "open": _l("open"),
    "pending": _l("pending"),
    "closed": _l("closed"),
}


# what an alarm of a kind says, and what to do about it; rooms raise them by `tenants.alarms`
ALARMS: Mapping[str, Words] = {
    "seal-broken": Words(
        _l("A sealed value or recording does not open"),
        _l(
            "Somebody changed it past the service. It is shown to nobody; what it was stands in the backups."
            " Ask who could reach the database or the storage."
        ),
    ),
    "job-forged": Words(
        _l("A job in the queue was not of our making"),
        _l("It was not run, and nothing of ours waits for it. Ask who could write to Valkey."),
    ),
    "news-forged": Words(
        _l("News of payments came that the provider did not sign for us"),
        _l("It was refused and left nothing. If it goes on, close the address to all but the provider."),
    ),
    "evidence-broken": Words(
        _l("The evidence log does not hold together"),
        _l("Somebody changed the database past the service. Keep a copy of the log, and ask who could."),
    ),
    "key-in-address": Words(
        _l("An API key stood in an address"),
        _l("Logs and histories keep addresses, so it was revoked. Make another, and send it in a header."),
    ),
    "glass-broken": Words(
        _l("The operator looks into your customers"),
        _l("By two people, for the reason and the time in the details. Each look stands in your log."),
    ),
    "step-recovery": Words(
        _l("An owner’s second step will be taken away"),
        _l(
            "Two of the operator’s people agreed, because it was said to be lost. If it was not, the owner"
            " signs in with it before the time in the details, and nothing happens."
        ),
    ),
    "passkey-copied": Words(
        _l("A passkey’s counter went back"),
        _l("It may have been copied, and was refused. Its owner removes it under Settings, Passkeys."),
    ),
    "difference-open": Words(
        _l("Our books and the payment provider’s have differed for days"),
        _l("Under Payments, Compare with the provider: find out why, and say who answers for it."),
    ),
    "rows-differ": Words(
        _l("A bill, a movement of money or a call record is not what the evidence log says"),
        _l("Somebody changed the database past the service. Keep a copy of the log, and ask who could."),
    ),
    "work-orders-overdue": Words(
        _l("Work orders are overdue"),
        _l("Under Customers, Tickets, they stand first. The details say how many of which customer tier."),
    ),
    "decoy-opened": Words(
        _l("Somebody opened a decoy customer"),
        _l("Nobody has a reason to. Their session was ended; find out who it was and why."),
    ),
    "refused-often": Words(
        _l("Something was refused more often than honest people bring about"),
        _l("The details say what, and how often in which hour. Refusals, under Alarms, shows when it began."),
    ),
    "carrier-refuses-us": Words(
        _l("The carrier wants a password that we have not"),
        _l(
            "It takes no call of ours. Compare the file SEATLINE_CARRIER_LOGIN names with what you were told,"
            " and start anew."
        ),
    ),
    "switch-odd-event": Words(
        _l("The switch said something that cannot be"),
        _l("It changed no call and no bill. A fault of the switch, or somebody who speaks in its name."),
    ),
    "load-recordings": Words(
        _l("The switch fills up: optional recordings are left out"),
        _l("Nothing to do yet. If it goes on, raise what the switch takes, or add a machine, under Load."),
    ),
    "load-music": Words(
        _l("The switch fills up: who waits or is held hears no music"),
        _l("Look under Load who calls so much. Pause what can wait, such as campaigns."),
    ),
    "load-campaigns": Words(
        _l("The switch is nearly full: campaigns place no new call"),
        _l("They go on by themselves. Callers still come in; add a machine before the next peak."),
    ),
    "load-busy": Words(
        _l("The switch is full: callers are refused"),
        _l("Each refused call stands in its company’s list. Send callers elsewhere, or add a machine."),
    ),
    "trunk-full": Words(
        _l("All channels of a trunk are taken"),
        _l(
            "Calls over it were refused. Order more channels, or give companies that take many of them fewer."
        ),
    ),
    "lines-full": Words(
        _l("All lines for callers of a company were busy"),
        _l("Callers were told so, or found it busy. The operator can give the company more lines."),
    ),
    "calls-in-not-paid": Words(
        _l("Callers could not be let in: nothing is left in the wallet"),
        _l("They heard that their call cannot be taken, not why. After a top-up callers are let in at once."),
    ),
    "number-papers-ending": Words(
        _l("The papers of a number run out"),
        _l(
            "From the day in the details on, no call may show it. Renew the paper and have it stated anew; a"
            " number held elsewhere is asked for anew."
        ),
    ),
    "number-papers-ended": Words(
        _l("The papers of a number have run out"),
        _l("No call shows it any more; choose another number to show. For callers nothing changes."),
    ),
    "rent-not-paid": Words(
        _l("There is too little in the wallet for a month’s rent"),
        _l("Nothing is kept for it, and nothing more can be rented. After a top-up it is kept by itself."),
    ),
    "calls-out-new-country": Words(
        _l("A country was called for the first time"),
        _l("If nobody of yours meant to call there, stop calls out and find out who did."),
    ),
    "calls-out-near-limit": Words(
        _l("Four fifths of a day’s money for calls out are used"),
        _l("At the limit no further call goes out that day. Look whether the calls are yours."),
    ),
    "calls-out-limit": Words(
        _l("A day’s money for calls out is used up"),
        _l(
            "Calls were not placed. Look whether those that were are yours; the operator can raise the limit."
        ),
    ),
    "calls-out-unanswered": Words(
        _l("Far fewer calls out are answered than usual"),
        _l("Numbers that are tried by machine, or a fault on the way out. Look at the latest calls."),
    ),
    "calls-out-short": Words(
        _l("Many short calls to one range of numbers"),
        _l("Such calls earn money for somebody else. If they are not yours, stop calls out."),
    ),
}


# why the operator's people look into a company
GLASS: Mapping[str, LazyString] = {
    "incident": _l("a fault or an attack"),
    "support": _l("the company asked for help"),
    "dispute": _l("a disputed bill"),
    "law": _l("the law asks for it"),
}

# why an agent looks behind a mask
LOOKS: Mapping[str, LazyString] = {
    "identify": _l("to make sure who it is"),
    "contact": _l("to reach or send to them"),
    "correct": _l("to correct the record"),
    "asked": _l("because they ask for it"),
}


def alarm(kind: str) -> Words:
    """Return the words of a kind of alarm; one without words of its own has general ones."""
    return ALARMS.get(kind, Words(_l("Something has to be looked at"), _l("See the details.")))


PROBLEMS: Mapping[str, Words] = {
    "seal": Words(
        _l("This cannot be shown"),
        _l("It is not what we once kept, so it is shown to nobody. We were told at once and look into it."),
    ),
    "agreement-not-signed": Words(
        _l("An agreement on secrecy is not signed"),
        _l("Read it and sign it, under Agreements. Until then nothing of this company is shown."),
    ),
    "looks-used-up": Words(
        _l("You have looked as often as an hour allows"),
        _l("Go on with what you see. A supervisor of the company can grant more for an hour."),
    ),
    "numbers-hidden": Words(
        _l("The company shows its agents no numbers"),
        _l("Call by the button beside the call, the promise or the message: the number is dialled unseen."),
    ),
    "messages-not-heard": Words(
        _l("The company does not let its agents hear messages"),
        _l("Call back, or ask the company: its own people hear messages in the portal."),
    ),
    "look-purpose": Words(_l("Say why you look"), _l("Choose a purpose beside the fields.")),
    "look-budget": Words(
        _l("That many looks cannot be"), _l("Up to 1,000 an hour for everybody, 1 to 100 more for one agent.")
    ),
    "recovery-refused": Words(
        _l("That second step is not taken"),
        _l("Of owners and staff only, once, by two others who have one themselves, with a ticket’s number."),
    ),
    "glass-refused": Words(
        _l("This door stays shut"),
        _l("Somebody else approves, once, within the hour; both with a second step. Then ask anew."),
    ),
    "glass-asked": Words(
        _l("That cannot be asked like this"),
        _l("Choose a reason, name the ticket (letters, digits, dashes) and 1 to 60 minutes."),
    ),
    "agreement-text": Words(
        _l("The agreement cannot be published like this"),
        _l("It needs a text, a grace of 0 to 90 days, and may not begin before the last one."),
    ),
    "signature-revoked": Words(
        _l("You were shut out"),
        _l("The company no longer lets you sign. Ask your team leader; only the company can take this back."),
    ),
    "not-your-name": Words(
        _l("That is not signed yet"), _l("Tick the box and type your name exactly as it stands above.")
    ),
    "no-mail": Words(
        _l("No mail is sent from here"),
        _l("The person has to be told by mail. Ask the operator to connect it."),
    ),
    "sign-in-again": Words(
        _l("Please sign in again"),
        _l(
            "This is done within a quarter of an hour after signing in, so that no unlocked screen can do it."
        ),
    ),
    "export-not-found": Words(
        _l("There is no such archive"), _l("It is not made yet, or it is gone: ask for another one.")
    ),
    "rerun-not-found": Words(
        _l("There is no such run"), _l("It may have been typed wrongly. Look for it in the list.")
    ),
    "rate-deck-gone": Words(
        _l("There is no such file of rates"), _l("Another one took its place, or it was given up.")
    ),
    "download-not-found": Words(
        _l("There is no such file"), _l("It is not made yet, or it is gone: ask for it once more.")
    ),
    "downloads-under-way": Words(
        _l("So many files are being made for you already"), _l("Wait for one, or cancel one.")
    ),
    "download-too-long": Words(
        _l("That is too long for Excel"),
        _l("A workbook takes up to 100,000 rows. Save it as CSV, or choose fewer rows by a filter."),
    ),
    "download-refused": Words(
        _l("You may not have this file"), _l("The right to see its page was taken from you meanwhile.")
    ),
    "no-drawer": Words(
        _l("The file waits"), _l("The worker that makes files is not there; it goes on when it is back.")
    ),
    "retention-bounds": Words(
        _l("Nothing was saved"), _l("That is fewer days than the law wants, or more than anything is kept.")
    ),
    "export-under-way": Words(
        _l("One export is being made already"), _l("Fetch it when it is ready, or remove it first.")
    ),
    "export-asked": Words(
        _l("Nothing was exported"),
        _l("Give a passphrase of 15 signs or more, or the public key of an age identity (age1…); not both."),
    ),
    "second-step-first": Words(
        _l("Set up a second step first"),
        _l("It is wanted of you before anything else. Under Settings, Second step, it takes a minute."),
    ),
    "second-step-on": Words(
        _l("The second step is on already"), _l("Turn it off first, then set it up with another phone.")
    ),
    "wrong-code": Words(
        _l("This code does not fit"), _l("Wait for the next code on your phone, then type that one.")
    ),
    "nothing-sealed": Words(
        _l("Nothing is signed yet"), _l("New entries are signed within a minute. Come back then.")
    ),
    # kinds, which also answer for every code that has no words of its own
    "not-found": Words(
        _l("Not found"), _l("It does not exist, or it is not yours. Check the address, or go back.")
    ),
    "invalid": Words(_l("That does not fit"), _l("Check what you entered and send it again.")),
    "refused": Words(_l("Not allowed"), _l("This is not possible in the present state.")),
    "conflict": Words(
        _l("Somebody was faster"), _l("It has changed in the meantime. Load the page again and look.")
    ),
    "unavailable": Words(
        _l("A part of Seatline is away for a moment"),
        _l("Calls go on. Try again in a few seconds; nothing you did has been half done."),
    ),
    "internal": Words(
        _l("Something broke on our side"),
        _l("Nothing was changed. Try again; if it happens again, tell us the request id."),
    ),
    "invalid-request": Words(
        _l("The request does not fit"), _l("See errors for where; correct it and send it again.")
    ),
    # HTTP
    "bad-request": Words(
        _l("The request cannot be read"), _l("It is malformed. Correct it and send it again.")
    ),
    "foreign-host": Words(
        _l("Seatline is not served under this name"), _l("Open it by the address you were given.")
    ),
    "malformed-json": Words(
        _l("The body is not JSON"), _l("Send one JSON object, encoded in UTF-8, and nothing after it.")
    ),
    "sign-in-required": Words(_l("Please sign in"), _l("You are not signed in, or your session has ended.")),
    "bad-api-key": Words(
        _l("No valid API key"),
        _l("Send a live key in the header Authorization: Bearer."),
    ),
    "key-in-address": Words(
        _l("An API key does not belong in the address"),
        _l("Addresses end up in logs, so the key was revoked. Make another, and send it in a header."),
    ),
    "not-permitted": Words(
        _l("Your role does not allow this"), _l("Ask an administrator of your company for it.")
    ),
    "cross-site": Words(
        _l("The form has expired"), _l("Load the page again and repeat. Nothing was changed.")
    ),
    "method-not-allowed": Words(
        _l("The method does not fit"), _l("See the header Allow for what this address understands.")
    ),
    "request-timeout": Words(_l("The request came too slowly"), _l("Send it again.")),
    "too-large": Words(_l("That is too large"), _l("Send less at once.")),
    "unsupported-media-type": Words(
        _l("The content type does not fit"), _l("Send application/json, and say so in Content-Type.")
    ),
    "range-not-satisfiable": Words(
        _l("There is nothing in that range"), _l("Ask for a range inside the recording.")
    ),
    "too-many-requests": Words(
        _l("Too many requests"), _l("Wait as long as the header Retry-After says, then go on.")
    ),
    "unknown-api-version": Words(
        _l("There is no such version of the API"),
        _l("Leave the header Api-Version out, or send a date that exists."),
    ),
    "file-missing": Words(_l("There is no file in the form"), _l("Send it as the part named file.")),
    # the operator's and the portal's pages
    "malformed-setting": Words(
        _l("One of the fields cannot be"), _l("Correct the marked field and send it again.")
    ),
    "company-form": Words(_l("One field is missing"), _l("Fill in the marked field and send it again.")),
    "billing-account-invalid": Words(
        _l("The company cannot be billed like this"), _l("Correct the marked field and send it again.")
    ),
    "billing-details-changed": Words(
        _l("Somebody else changed the billing details"), _l("Read them again, then change them.")
    ),
    "buyer-number": Words(
        _l("The invoice must name this number"),
        _l("Under the tax that was agreed, a VAT number with the letters of its country is needed."),
    ),
    "seller-invalid": Words(_l("These details cannot be"), _l("Correct the marked field and send it again.")),
    "seller-changed": Words(
        _l("Somebody else changed our details"), _l("Read them again, then change them.")
    ),
    "series-in-use": Words(
        _l("Invoices have numbers of this series"), _l("Say that another series is meant, or keep this one.")
    ),
    "period-not-over": Words(
        _l("The month is not over yet"), _l("Finalise the invoice when its last day is over.")
    ),
    "period-closed": Words(
        _l("An invoice before or after it stands in the way"),
        _l("Invoices are finalised in order: finalise the earlier draft first."),
    ),
    "usage-unrated": Words(
        _l("Usage of this month still waits for a price"),
        _l("The draft's page says which, why, and what to do."),
    ),
    "not-enough-seats": Words(
        _l("Not enough seats are free"),
        _l("Somebody else was faster. Ask for fewer seats or another hour; nothing was rented."),
    ),
    "rental-limit": Words(
        _l("More than you may rent by yourself"), _l("Ask the operator; they can raise the limit.")
    ),
    "restore-too-late": Words(
        _l("That can no longer be taken back"), _l("Ten minutes have passed. Rent anew if you still need it.")
    ),
    "number-resting": Words(
        _l("The number rests after its last renter"),
        _l(
            "For thirty days nobody else gets it, so that their callers do not reach you. Choose another one."
        ),
    ),
    "not-a-sound": Words(_l("That file is not a sound we can play"), _l("Upload WAV or MP3 of up to 10 MB.")),
    "sound-length": Words(
        _l("This sound is too short or too long"),
        _l("A sound is between a fifth of a second and two minutes long."),
    ),
    "too-many-sounds": Words(
        _l("There are as many sounds as there may be"), _l("Remove a sound that no flow plays.")
    ),
    "sound-in-use": Words(_l("A flow plays this sound"), _l("Let it play another one first.")),
    "room-not-found": Words(
        _l("There is no such conference room"), _l("It was closed, or it is not your company’s.")
    ),
    "room-setting": Words(
        _l("This cannot be so for a conference room"),
        _l("A name of up to 80 signs, 2 to 20 people, and another PIN for leaders than for members."),
    ),
    "room-name-taken": Words(
        _l("Another conference room has this name"), _l("Give it one that tells the two apart.")
    ),
    "room-changed": Words(
        _l("Somebody else has changed this conference room"),
        _l("Look at it again, then save what is right."),
    ),
    "room-in-use": Words(
        _l("The conference room is in use"),
        _l("A flow leads into it, or somebody is in it. Let the flow lead elsewhere first."),
    ),
    "too-many-rooms": Words(
        _l("There are as many conference rooms as there may be"), _l("Close one that is not used.")
    ),
    "room-empty": Words(_l("Nobody is in the room"), _l("Nothing was done.")),
    "not-in-room": Words(_l("They are not in the room any more"), _l("Nothing was done.")),
    "pin": Words(
        _l("That cannot be a PIN"),
        _l("A PIN is four to eight digits, not all the same and not a run like 1234."),
    ),
    "no-routing-trial": Words(
        _l("Nothing was tried yet"), _l("Try the traffic models first, then look here for what came of it.")
    ),
    "forward-target": Words(
        _l("Callers cannot be forwarded there"),
        _l("Give a phone of yours outside: none of the numbers you rent, and none that costs extra to call."),
    ),
    "number-held": Words(
        _l("Another company is deciding about this number"),
        _l("It is free again within two hours, or theirs. Choose another one."),
    ),
    "hold-again": Words(
        _l("You have held this number today"),
        _l("A hold is for deciding: rent it, or hold it again a day after the last hold."),
    ),
    "hold-limit": Words(
        _l("You hold as many numbers as one may"), _l("Rent one of them, or let one go, then hold this one.")
    ),
    "number-kind": Words(
        _l("The number is of another kind"),
        _l("What is freephone and what is a short code, the numbering plan says. Leave the kind to it."),
    ),
    "number-changed": Words(
        _l("Somebody else has changed this number"), _l("Look at both versions, then save what is right.")
    ),
    "agent-not-assigned": Words(
        _l("An agent does not work for the company"),
        _l("Choose agents whom the operator has assigned to it."),
    ),
    "agent-details": Words(
        _l("A detail of an agent cannot be so"),
        _l("An agent speaks one language at least; a level is a number from 1, best, to 9, last resort."),
    ),
    "agent-number": Words(
        _l("That is no number of an agent"), _l("Give a whole number from 1 to 999999; callers hear it.")
    ),
    "agent-number-taken": Words(
        _l("Another agent has this number"), _l("Give a number that nobody has had.")
    ),
    "agent-not-found": Words(
        _l("There is no such agent"), _l("Look for the agent in the list; who has left stands there too.")
    ),
    "opening-hours": Words(
        _l("Opening hours cannot be so"),
        _l("Spans end after they begin and do not overlap; places and zones are written by their codes."),
    ),
    "usage-invalid": Words(
        _l("This cannot be usage"),
        _l("Say what it was, when it began (not after now), how long it took, and the number as digits."),
    ),
    "queue-changed": Words(
        _l("Somebody else has changed this queue"), _l("Look at both versions, then save what is right.")
    ),
    "queue-name-taken": Words(
        _l("Another queue has this name"), _l("Choose another name, or open the closed queue again.")
    ),
    "queue-in-use": Words(
        _l("The queue is in use"),
        _l("Callers are in it, or numbers or campaigns lead to it. Nothing was closed."),
    ),
    "queue-setting": Words(
        _l("A setting of the queue cannot be so"), _l("The field that is named is out of its bounds.")
    ),
    "promise-over": Words(
        _l("This promise is being kept, or over"), _l("Look at the list again; nothing was changed.")
    ),
    "flow-changed": Words(
        _l("Somebody else has changed this flow"), _l("Look at it again, then save what is right.")
    ),
    "flow-faulty": Words(
        _l("The flow cannot be published like this"),
        _l("Callers would get stuck in it. The list of findings says where; nothing was published."),
    ),
    "flow-in-use": Words(
        _l("Callers go through this flow"),
        _l("Lead the numbers and tiers that use it elsewhere first. Nothing was removed."),
    ),
    "flow-not-published": Words(
        _l("The flow has never been published"), _l("Publish it, then lead numbers into it.")
    ),
    "too-many-flows": Words(
        _l("There are as many flows as there may be"), _l("Remove one that is not used.")
    ),
    "recording-policy-changed": Words(
        _l("Somebody else has changed what is recorded"),
        _l("Look at both versions, then save what is right."),
    ),
    "routing-changed": Words(
        _l("Somebody else has changed the routing"), _l("Look at both versions, then save what is right.")
    ),
    "routing-setting": Words(
        _l("A setting of the routing cannot be so"),
        _l("The field that is named is out of its bounds, or names what is not there."),
    ),
    "routing-trial": Words(
        _l("A trial of the routing cannot be asked like this"),
        _l("The field that is named is out of its bounds."),
    ),
    "too-little-history": Words(
        _l("There is too little to go by"), _l("Take more days, or look at the worked example.")
    ),
    "number-right": Words(
        _l("The papers cannot be so"),
        _l(
            "A paper has a reference of up to 80 characters and ends after it begins; a carrier has a name,"
            " and a client who holds the number is the one that rents it."
        ),
    ),
    "number-right-changed": Words(
        _l("Somebody else has stated the papers of this number"),
        _l("Look at what they stated, then state yours if it is still needed."),
    ),
    "number-right-missing": Words(
        _l("Nobody has stated papers of this number"), _l("There is nothing to withdraw; state them first.")
    ),
    "caller-number": Words(
        _l("The number cannot be asked for like this"),
        _l(
            "It is an ordinary number with its country code; holder and reference have up to 80 signs; the"
            " paper ends in the future, three years after it begins at most. A reason has up to 200 signs."
        ),
    ),
    "caller-paper": Words(
        _l("The paper cannot be read"), _l("Send a PDF, PNG or JPEG file of at most 2 MB.")
    ),
    "caller-number-there": Words(
        _l("You have asked for this number already, or rent it"),
        _l("Wait for the answer, or withdraw what you asked."),
    ),
    "too-many-caller-numbers": Words(
        _l("You have asked as often as you may"),
        _l(
            "Twenty numbers can wait for an answer or be asked for in a day, and one number three times in"
            " thirty days. Wait for the operator’s answers."
        ),
    ),
    "caller-number-codes": Words(
        _l("No more codes can be made for this request"),
        _l("Three were. Refuse it and say why; the company may ask anew."),
    ),
    "caller-number-not-found": Words(_l("There is no such number"), _l("It is not your company’s.")),
    "caller-number-changed": Words(
        _l("Something else has been done with this number meanwhile"),
        _l("Look at it again, then decide."),
    ),
    "caller-number-unproven": Words(
        _l("Nobody has proven yet that the number is theirs to show"),
        _l(
            "Make a code, call the number, and wait until the company types it in."
            " A proof counts for 30 days."
        ),
    ),
    "caller-number-stocked": Words(
        _l("The number is in our own stock"),
        _l("It is shown by who rents it, by its own papers. Refuse it without saying whose it is."),
    ),
    "number-form": Words(
        _l("The number cannot be set up like this"), _l("A greeting has up to 500 signs on one line.")
    ),
    "not-priced": Words(
        _l("Your price list has no price for this"), _l("Ask the operator; nothing was rented.")
    ),
    "on-hold": Words(
        _l("Your account is on hold"), _l("Nothing was rented. Pay what is open, or ask the operator.")
    ),
    "rent-unpaid": Words(
        _l("There is not enough in the wallet for what this costs to the end of the month"),
        _l("Nothing was rented. Top the wallet up, or give something back."),
    ),
    "price-changed": Words(_l("The price has changed"), _l("Look at the new one; nothing was rented.")),
    "rental-span": Words(
        _l("That day or time cannot be rented"), _l("Choose a time that is not over, within a year.")
    ),
    "long-job-not-found": Words(_l("There is no such job"), _l("What ended a month ago is forgotten.")),
    "usage-conflict-not-found": Words(_l("There is no such report"), _l("It may belong to another company.")),
    "usage-decided": Words(
        _l("Somebody has decided about it already"), _l("Load the page again: it says who, and why.")
    ),
    "usage-billed": Words(
        _l("The first report is on a finalised invoice"),
        _l("An invoice never changes. Keep the first report, and put the difference right by a credit note."),
    ),
    "settlement-changed": Words(
        _l("It would come to something else by now"),
        _l("Other parts of this invoice were rated again, or somebody gave credit. Look at the new amounts."),
    ),
    "decision-reason": Words(
        _l("A decision needs a reason"), _l("Write one line of at most 400 signs, without names or numbers.")
    ),
    "usage-not-found": Words(_l("There is no such usage"), _l("It may belong to another company.")),
    "amount-typed": Words(
        _l("This number cannot be read"),
        _l("Write it like 12.50, and thousands without a sign: 1,250 may be meant two ways."),
    ),
    "safety-invalid": Words(
        _l("These bounds cannot be"),
        _l("At least once and at most a thousand times the mean; amounts are whole units of the currency."),
    ),
    "bill-held": Words(
        _l("The bill is held"),
        _l("It leaves the company’s bounds. Look on its page “Closing a month” what to do."),
    ),
    "bill-not-held": Words(_l("This bill is not held"), _l("It was released, or drafted anew.")),
    "service-count-invalid": Words(
        _l("This count cannot be"),
        _l("Name the queue; no more can be answered in time than was offered."),
    ),
    "service-not-promised": Words(
        _l("Nothing of this name is promised for that month"),
        _l("Promises stand in the price list that was in force when the month began."),
    ),
    "service-not-counted": Words(
        _l("Nobody has said how the service was"),
        _l("Service is promised for this month. Say on the company’s page “Closing a month” how it was."),
    ),
    "rentals-open": Words(
        _l("Not everything rented in this month is charged yet"),
        _l("Two hours after the month ends it is, once every agent's time of it is closed. Try again then."),
    ),
    "draft-changed": Words(
        _l("Somebody else has changed this draft"), _l("Look at both versions, then save what is right.")
    ),
    "rating-changed": Words(
        _l("The difference has become another one"), _l("Look at it again, then approve what you see.")
    ),
    "draft-stale": Words(
        _l("Calls have come in since the draft was made"), _l("Draft it anew, look, and finalise then.")
    ),
    "statement-period": Words(
        _l("These days cannot be on one statement"),
        _l("It ends on the day it begins or later, and within three years."),
    ),
    "dunning-steps": Words(
        _l("These steps cannot be"),
        _l("Days rise from step to step, there are eight at most, and nothing follows suspending."),
    ),
    "dunning-reason": Words(_l("A reason is missing"), _l("Write one of up to 200 signs.")),
    "dunning-pause-not-found": Words(
        _l("There is no such pause"), _l("It may be over. Load the page again.")
    ),
    "wallet-not-found": Words(_l("The company pays by invoice"), _l("It has no wallet.")),
    "wallet-amount": Words(
        _l("This amount cannot be"), _l("Give a positive amount in the wallet’s currency.")
    ),
    "top-up-not-found": Words(_l("There is no such top-up"), _l("Look at the wallet’s page.")),
    "pays-for-others": Words(
        _l("The company pays a part of another’s calls"),
        _l("Who does so pays by invoice. End that first, on its page of shared calls."),
    ),
    "cost-share-payer": Words(
        _l("This company cannot pay a part of these calls"),
        _l("It needs an account of its own in the same currency, and pays by invoice, without a wallet."),
    ),
    "price-list-change": Words(
        _l("The price list cannot be changed like that"),
        _l("Choose another list in the same currency that has prices on that day, from tomorrow on."),
    ),
    "cost-share-invalid": Words(
        _l("These shares cannot be agreed"),
        _l(
            "Name calls that have a price, each once, with 1 to 100 per cent, from a day to come. Before"
            " another company pays instead, end what is agreed with the present one."
        ),
    ),
    "wallet-short": Words(
        _l("There is not so much in the wallet"),
        _l("What is kept for calls under way cannot be moved. Take less, or wait until they have ended."),
    ),
    "dispute-not-found": Words(_l("There is no such dispute"), _l("Look at the invoice's page.")),
    "dispute-closed": Words(
        _l("The dispute is decided"), _l("Its page says how it ended, or what it waits for.")
    ),
    "dispute-reason": Words(_l("A reason is missing"), _l("Write one of up to 400 signs.")),
    "dispute-empty": Words(
        _l("There is nothing to dispute"), _l("Mark a line, or send a list of calls that differs.")
    ),
    "claims-invalid": Words(
        _l("The list of calls cannot be read"), _l("It needs started_at and duration_s in every row.")
    ),
    "e-invoice-refused": Words(
        _l("This invoice has no e-invoice"),
        _l("A rule of EN 16931 does not allow it; the PDF is the invoice. Tell us, if you need one."),
    ),
    "credit-note-not-found": Words(_l("There is no such credit note"), _l("Look at the invoice's page.")),
    "credit-note-decided": Words(
        _l("It is decided already"), _l("Somebody was faster; the invoice's page says how it ended.")
    ),
    "item-invalid": Words(_l("That is no number of items"), _l("Order one to ten thousand at a time.")),
    "item-unpriced": Words(
        _l("Its price list has no price for that"), _l("Add the price in a new version of the list first.")
    ),
    "credit-reason": Words(_l("A reason is missing"), _l("Write one of up to 400 signs.")),
    "credit-too-large": Words(
        _l("That is more than can be credited"), _l("Give back at most what the invoice leaves.")
    ),
    "passkey-refused": Words(
        _l("The passkey was not accepted"),
        _l("Try again, or sign in another way. Passkeys work at the address they were made at."),
    ),
    "deletion-own": Words(
        _l("Somebody else has to confirm it"),
        _l("A deletion takes two people: whoever asked for it does not confirm it."),
    ),
    "second-person": Words(_l("Somebody else has to decide"), _l("Above the limit it takes two people.")),
    "invoice-not-final": Words(
        _l("The invoice is a draft"),
        _l("It gets its proof, e-invoice and credit notes once it is finalised."),
    ),
    "proof-broken": Words(_l("The proof does not hold together"), _l("The message names the first place.")),
    "invoice-not-approved": Words(
        _l("Nobody has approved this draft yet"), _l("Look at it, approve it, then finalise it.")
    ),
    "invoice-final": Words(
        _l("A finalised invoice never changes"), _l("A mistake is put right by a credit note.")
    ),
    "price-list-invalid": Words(_l("The prices cannot stand like this"), _l("Correct what is named.")),
    "price-list-version-published": Words(
        _l("A published version never changes"), _l("Make a new version and change that.")
    ),
    "invalid-number": Words(
        _l("That is not a telephone number"), _l("Write it with its country code, like +44 808 157 0142.")
    ),
    "code-not-shared": Words(
        _l("No company is chosen at this code like that"), _l("Load the page again; it may have left.")
    ),
    "not-a-short-code": Words(
        _l("Only a short code is shared"), _l("Other numbers are rented to one company each.")
    ),
    "code-shared": Words(
        _l("Several companies share this number"), _l("Nobody rents it alone; choose another one.")
    ),
    "code-in-use": Words(
        _l("Companies are still reached by this code"),
        _l("Take them off it first; their callers would be lost."),
    ),
    "choice-taken": Words(
        _l("These keys are taken"),
        _l("Another company’s keys are the same or begin alike, or were until lately. Choose others."),
    ),
    "chosen-already": Words(
        _l("The company is on this code already"), _l("Take it off first to give it other keys.")
    ),
    "shared-code-form": Words(
        _l("That cannot be so"),
        _l("Keys are one to six digits; a name has up to 80 characters, a greeting up to 500."),
    ),
    "number-taken": Words(_l("The number is rented already"), _l("Choose one that is free.")),
    "seat-already-rented": Words(_l("The seat is rented already"), _l("Choose one that is free.")),
    "seat-label-taken": Words(
        _l("Another seat has this label"), _l("Labels are on the desks: choose another one.")
    ),
    "rental-period": Words(
        _l("The rental cannot end or begin then"), _l("Load the page again; it may have ended already.")
    ),
    "stock-form": Words(_l("One field is missing"), _l("Fill in every field and send it again.")),
    # campaigns
    "campaign-changed": Words(
        _l("Somebody else has changed this campaign"),
        _l("Nothing of yours was saved over it. Look at what it is now, then save again."),
    ),
    "campaign-state": Words(
        _l("The campaign cannot do that now"), _l("Load the page again; it may have been stopped already.")
    ),
    "campaign-setting": Words(
        _l("One of the settings cannot stand"), _l("Correct the marked field and send it again.")
    ),
    "campaign-not-ready": Words(_l("There is nobody to call"), _l("Upload a list of leads first.")),
    "lead-import-state": Words(
        _l("This list has been started already"), _l("Upload it again if you want it twice.")
    ),
    "lead-file": Words(
        _l("The file is not a table"), _l("Send a CSV, or a workbook (XLSX) with one row for each lead.")
    ),
    "lead-file-too-large": Words(
        _l("The list is too long"), _l("Send at most a million rows and 256 MB at once.")
    ),
    "lead-file-encoding": Words(
        _l("The file’s encoding is not known"),
        _l("Choose it and look at the preview, or save the file as UTF-8."),
    ),
    "lead-file-unsafe": Words(
        _l("The workbook cannot be opened safely"),
        _l("It is locked, holds other archives, or takes far more work than its size. Save it as CSV."),
    ),
    "lead-file-empty": Words(_l("There is nobody in the file"), _l("It has no row, or only a heading.")),
    "lead-columns": Words(
        _l("The columns do not fit"),
        _l("Say which column holds the telephone number; no two columns may have one name."),
    ),
    # money in
    "nothing-due": Words(_l("There is nothing to pay"), _l("The invoice is paid, or a draft still.")),
    "copy-not-stopped": Words(
        _l("The provider’s copy has not stopped"),
        _l("There is nothing to make anew. Look at the invoice again."),
    ),
    "payment-under-way": Words(
        _l("A payment is on its way already"), _l("Wait for it: a second one would pay twice.")
    ),
    "payment-mismatch": Words(
        _l("The payment does not fit the invoice"), _l("Nothing was booked. Look at it at the provider.")
    ),
    "difference-not-found": Words(
        _l("There is no such difference"), _l("Look at the page where our books are compared.")
    ),
    "difference-reason": Words(
        _l("Say why, in at most 1,000 letters"),
        _l("A difference is explained or settled with a reason. One that agrees by itself needs none."),
    ),
    "refund-reason": Words(_l("Say why"), _l("Money is given back for a reason of at most 400 letters.")),
    "refund-decided": Words(
        _l("It is decided already"), _l("Somebody was faster; the page of refunds says how it ended.")
    ),
    "refund-too-large": Words(
        _l("So much cannot be given back"), _l("Give back at most what is left of the payment.")
    ),
    "refund-asked": Words(
        _l("This refund was asked for already, over another amount"),
        _l("Load the page again and look at what went back before you give back more."),
    ),
    "payment-provider-away": Words(
        _l("The payment provider does not answer"),
        _l("Nothing was charged twice and nothing is lost. Try again in a minute."),
    ),
    "payment-provider-refuses": Words(
        _l("The payment provider does not take this"),
        _l("Pay by bank transfer, or tell us; we have to look at it."),
    ),
    "payments-not-connected": Words(
        _l("No payment provider is connected"), _l("Pay by bank transfer; the account is on the invoice.")
    ),
    "payment-method-not-found": Words(
        _l("This way to pay is gone"), _l("Load the page again and choose another, or save it anew.")
    ),
    # rooms
    "weak-password": Words(
        _l("That password is too easy"), _l("Use 15 to 128 characters; several words in a row are good.")
    ),
    "last-owner": Words(
        _l("The company needs an owner"), _l("Make somebody else an owner first, then change this person.")
    ),
    "role-not-yours": Words(
        _l("This is above your own role"), _l("Ask an owner: nobody gives or takes what they do not have.")
    ),
    "invitation-over": Words(
        _l("This link is over"), _l("It was used, or it is too old. Ask the one who invited you for another.")
    ),
    "owner-is-in": Words(
        _l("The company’s owner has a password"),
        _l("From now on its own people make links. Who forgot a password asks for another by mail."),
    ),
    "reset-over": Words(
        _l("This link is over"),
        _l("It was used, is older than a quarter of an hour, or the password has changed. Ask for another."),
    ),
    "email-taken": Words(
        _l("That e-mail address signs in already"), _l("Use another address for this person.")
    ),
    "malformed-email": Words(_l("That is not an e-mail address"), _l("Write it as name@company.example.")),
    "key-elsewhere": Words(
        _l("This key may not be used from here"),
        _l("It is bound to other networks. Send the request from one of them, or make another key."),
    ),
    "scope-not-yours": Words(
        _l("A key cannot do more than you can"), _l("Choose only what your own role allows.")
    ),
    "unknown-scope": Words(_l("No such permission for a key"), _l("Choose from the list.")),
    "sign-in-busy": Words(_l("Many people are signing in"), _l("Try again in a few seconds.")),
    "card-number": Words(
        _l("The notes hold what looks like a card number"),
        _l("Take it out: card numbers are kept nowhere. The last four digits are fine."),
    ),
    "status-code": Words(
        _l("The status cannot be kept so"),
        _l("Its code is malformed or one that everybody has, or a name is empty or longer than 40 signs."),
    ),
    "ticket-changed": Words(
        _l("Somebody has changed the ticket"), _l("Look at it as it is now, then save again.")
    ),
    "ticket-details": Words(
        _l("The ticket cannot be kept so"),
        _l("A subject of 1 to 120 signs, a text of up to 4000, a time from now on and within a year."),
    ),
    "ticket-without-customer": Words(
        _l("This caller is in no record"), _l("A ticket needs a customer. Write it into the notes.")
    ),
    "callback-time": Words(
        _l("Nobody can be called back then"), _l("Choose a time from now on, at most 90 days ahead.")
    ),
    "wrap-up-needed": Words(
        _l("This wrap-up cannot be skipped"), _l("Its queue wants it saved, with what happened.")
    ),
    "disposition-needed": Words(
        _l("An outcome is needed"), _l("Calls of this queue are closed with an outcome only.")
    ),
    "sub-code-needed": Words(
        _l("Say more closely how it ended"), _l("This outcome has others under it. Choose one of them.")
    ),
    "sub-code": Words(
        _l("That outcome cannot stand there"),
        _l("A sub-code stands under an outcome in use that is none itself and has none under it."),
    ),
    "wrap-up-longest": Words(
        _l("The wrap-up cannot be longer"), _l("Save what you have; you can be away afterwards.")
    ),
    "dial-not-free": Words(
        _l("You cannot dial just now"),
        _l("Finish what you have in hand, or wait until your phone is connected."),
    ),
    "at-telephone": Words(
        _l("You are at your telephone"),
        _l("Calls out are made in the browser. Choose the browser for your calls first."),
    ),
    "rings-at-busy": Words(
        _l("Not with a call in hand"),
        _l("Finish the call and its wrap-up, then choose where your calls ring."),
    ),
    "no-telephone": Words(
        _l("You have no telephone here"),
        _l("The operator enters the number at which your calls may ring. Ask your team leader."),
    ),
    "telephone-number": Words(
        _l("Calls cannot ring at that number"),
        _l("It is a premium, shared-cost, personal or satellite number. Give an ordinary one."),
    ),
    "dial-number": Words(
        _l("That is not a telephone number"),
        _l("Write it with its country, +44 20 7946 0123. Emergency calls cannot be made from here."),
    ),
    "dial-not-served": Words(
        _l("You serve no queue of this company"), _l("Ask your team leader to assign you to one.")
    ),
    "dial-suspended": Words(
        _l("The company is suspended"), _l("Nobody may be called in its name. Tell your team leader.")
    ),
    "dial-no-account": Words(
        _l("The company has no billing account"),
        _l("Nobody may be called in its name yet. Tell your team leader."),
    ),
    "dial-on-hold": Words(
        _l("The company’s calls out are on hold"),
        _l("An invoice is waiting to be paid. Calls in go on as usual."),
    ),
    "dial-not-priced": Words(
        _l("There is no price for this destination"),
        _l("The company has agreed no price for calls there, so none is placed."),
    ),
    "dial-destination-blocked": Words(
        _l("This destination is blocked"), _l("Calls to such numbers are not placed for the company.")
    ),
    "dial-stopped": Words(
        _l("The company has stopped its calls out"),
        _l("Nobody is called until an owner or administrator of the company lets calls go out again."),
    ),
    "dial-stopped-by-operator": Words(
        _l("Calls out are stopped"),
        _l("The operator has stopped them, and looks into it. Calls in go on as usual."),
    ),
    "dial-emergency": Words(
        _l("Emergency numbers cannot be called from here"),
        _l(
            "In an emergency use another telephone, at once: nobody could tell from here where the help is"
            " needed."
        ),
    ),
    "dial-short-code": Words(
        _l("Short numbers cannot be called"),
        _l("They mean something else in each country. Write the full number, with the country code."),
    ),
    "dial-premium": Words(
        _l("This is a premium-rate number"), _l("Such numbers are called by nobody: they earn at the call.")
    ),
    "dial-shared-cost": Words(
        _l("This number shares its cost with the caller"),
        _l("Such numbers are called by nobody. Look for an ordinary number of the same company."),
    ),
    "dial-personal": Words(
        _l("This is a personal number"),
        _l(
            "It follows somebody anywhere, at the price of anywhere, so nobody calls it. Ask for another one."
        ),
    ),
    "dial-pager": Words(_l("This is a pager"), _l("Nobody can be talked to there. Ask for another number.")),
    "dial-satellite": Words(
        _l("This is a satellite or international network"),
        _l("Such numbers are called by nobody. Ask for a number on land."),
    ),
    "dial-barred": Words(
        _l("Such numbers are barred"),
        _l("The operator has barred them for everybody, after fraud or a complaint."),
    ),
    "dial-country": Words(
        _l("The company does not call this country"),
        _l("An owner or administrator can allow it, on the page “Calls out”."),
    ),
    "dial-off-hours": Words(
        _l("The company makes no calls at this hour"),
        _l("Its own hours are over. Somebody who has asked for this time can be called."),
    ),
    "dial-no-room": Words(
        _l("The switch is full at the moment"), _l("Callers come first. Try again in a few seconds.")
    ),
    "dial-too-many": Words(
        _l("The company has as many calls as it may"), _l("Try again when one of them has ended.")
    ),
    "dial-day-spent": Words(
        _l("The company’s money for calls out today is used up"),
        _l("Calls go out again tomorrow, or when the operator raises the limit. Calls in go on as usual."),
    ),
    "dial-no-balance": Words(
        _l("There is too little in the company’s wallet"),
        _l("Calls go out again once it is topped up. Calls under way and calls in go on."),
    ),
    "calling-limit-invalid": Words(_l("This limit cannot be"), _l("Correct what is marked, and save again.")),
    "switch-bounds-invalid": Words(
        _l("The switch cannot take so many calls"), _l("Write a whole number from 1 on, or leave it empty.")
    ),
    "switch-bounds-changed": Words(
        _l("Somebody has saved meanwhile"),
        _l("Look at what stands now, and save again if you still want to."),
    ),
    "calling-limits-changed": Words(
        _l("Somebody saved this before you"), _l("Read it anew, and make your change again.")
    ),
    "barred-prefix-invalid": Words(
        _l("Nothing can be barred so"),
        _l("Write up to 15 digits with the country code, without “+” or zeros in front."),
    ),
    "barred-already": Words(_l("These numbers are barred already"), _l("They stand on the list.")),
    "not-barred": Words(
        _l("These numbers are not barred"), _l("Somebody took them off the list before you.")
    ),
    "dial-do-not-call": Words(
        _l("This number is on the company’s do-not-call list"),
        _l("The person has asked not to be called. Write to them instead."),
    ),
    "dial-consent-withdrawn": Words(
        _l("This person has withdrawn their consent"),
        _l("They do not want to be called by this company. Write to them instead."),
    ),
    "dial-consent-missing": Words(
        _l("There is no consent on record"), _l("This person may be called once they have agreed to it.")
    ),
    "dial-zone-unknown": Words(
        _l("It is not known what time it is there"),
        _l("Nothing tells where this number rings, so nobody knows whether it is night."),
    ),
    "dial-outside-hours": Words(
        _l("It is too early or too late there"), _l("Calls may be made from 08:00 to 21:00 there.")
    ),
    "dial-caller-not-ours": Words(
        _l("The company has no number to show"),
        _l("A call must show a number that can be called back, and it rents none now."),
    ),
    "dial-caller-unproven": Words(
        _l("The number may not be shown any more"),
        _l("The paper by which the company uses it has run out or was withdrawn. Ask your team leader."),
    ),
    "dial-repeated": Words(_l("This call has been asked for already"), _l("Wait a moment and look.")),
    "dial-under-way": Words(
        _l("The company is calling this number already"),
        _l("Somebody else of yours has them on the line, or is dialling. Try again in a minute."),
    ),
    "dial-typed": Words(
        _l("Agents of this company type no numbers"),
        _l("The company wants it so, on the page “Calls out”. Choose a queue, an agent or an entry."),
    ),
    "dial-own-number": Words(
        _l("This is one of the company’s own numbers"),
        _l("Choose it from the list as an entry: the caller then hears its greeting and waits in its queue."),
    ),
    "dial-on-the-line": Words(
        _l("That is the number you are talking to"), _l("Write the number of somebody else.")
    ),
    "dial-too-fast": Words(
        _l("Too many calls at once"), _l("The company is placing many calls. Try again in a few seconds.")
    ),
    "transfer-self": Words(
        _l("That is you"), _l("To put the caller back, choose the queue; you then wrap up.")
    ),
    "not-a-leader": Words(
        _l("The company does not let you do that"), _l("Ask its administrators, under “Team leaders”.")
    ),
    "agent-moved-on": Words(
        _l("That agent’s queues have changed"), _l("The board shows which they serve now; choose again.")
    ),
    "message-taken": Words(
        _l("Somebody else has taken this message on"), _l("It stands under their number in the list.")
    ),
    "message-text": Words(
        _l("That cannot be sent"), _l("Write up to 500 characters, to a queue somebody serves.")
    ),
    "message-not-found": Words(_l("There is no such message to you"), _l("It may be an old one.")),
    "call-moved-on": Words(
        _l("That is not there any more"), _l("The board shows what is there now; choose again.")
    ),
    "transfer-busy": Words(_l("That agent is not free any more"), _l("Choose another one, or the queue.")),
    "transfer-not-talking": Words(
        _l("This call cannot be given on now"),
        _l("You give on a call you talk in, while nobody else is asked about it."),
    ),
    "transfer-queue-closed": Words(
        _l("That queue is closed at this hour"),
        _l("Choose one that is open. The caller is still with you."),
    ),
    "transfer-paused": Words(
        _l("The recording is paused"), _l("Finish with the card details and record again, then transfer.")
    ),
    "transfer-not-asking": Words(
        _l("Nobody is asked about this call"), _l("Ask an agent first, and wait until they answer.")
    ),
    "hearing-reason-missing": Words(
        _l("Say first what you hear the recording for"),
        _l("Choose a reason on the call’s page; it counts for an hour and stands in your company’s log."),
    ),
    "not-recording": Words(
        _l("Nothing is being recorded"), _l("There is nothing to pause. Go on with the call.")
    ),
    "work-item-not-found": Words(
        _l("This call is not in your hands any more"), _l("What you wrote until then has been kept.")
    ),
    "unknown-disposition": Words(
        _l("This outcome is not offered any more"), _l("Choose another one from the list.")
    ),
    "idempotency-key-reused": Words(
        _l("The idempotency key was used for another request"), _l("Use a new key for a new request.")
    ),
    "idempotency-key-running": Words(
        _l("The first request with this key is still running"),
        _l("Wait, then send it again: you will get its answer."),
    ),
    "malformed-view": Words(_l("The view has no name"), _l("Give it a name of at most 60 signs.")),
    "too-many-views": Words(_l("You have many views here"), _l("Remove one, then save again.")),
    "precondition-required": Words(
        _l("Say which version you read"), _l("Send the ETag of what you change in the header If-Match.")
    ),
    "malformed-precondition": Words(
        _l("The header If-Match does not fit"), _l("Send one ETag in it, unchanged, with its quotes.")
    ),
    "precondition-failed": Words(
        _l("It has changed since you read it"), _l("Read it again, and send the new ETag with your change.")
    ),
    # webhooks
    "address-refused": Words(
        _l("We cannot send to this address"),
        _l(
            "Use an https address on the public Internet, port 443 or 8443, without a sign-in in it. "
            "Only an installation for trying things also sends to http://127.0.0.1 and http://localhost."
        ),
    ),
    "unknown-event-type": Words(_l("No such type of event"), _l("Choose at least one from the list.")),
    "too-many-webhooks": Words(
        _l("There are as many webhooks as there can be"), _l("Remove one that is no longer used.")
    ),
    "webhook-changed": Words(
        _l("Somebody changed this webhook meanwhile"), _l("Load the page again and look.")
    ),
    "malformed-range": Words(
        _l("That is not a time from and to"), _l("Choose a beginning that lies before the end.")
    ),
    "webhook-off": Words(_l("The webhook is switched off"), _l("Switch it on first.")),
    "delivery-waiting": Words(
        _l("This delivery is still being tried"), _l("Wait until it has arrived or was given up.")
    ),
    "too-much-to-replay": Words(
        _l("That is too much for one replay"), _l("Choose a shorter time: up to 10,000 deliveries at once.")
    ),
    "range-too-long": Words(
        _l("That is too long a time"), _l("Ask for up to 62 days at once, beginning before they end.")
    ),
    "customer-exists": Words(
        _l("Another customer has this number"), _l("Look for the number, and change that customer.")
    ),
    "customer-changed": Words(
        _l("Somebody changed this customer meanwhile"), _l("Read it again, and send your change anew.")
    ),
    "disposition-code": Words(
        _l("That is no code for a disposition"),
        _l("Use lower case letters, digits and hyphens, and begin with a letter."),
    ),
    "malformed-cursor": Words(
        _l("The cursor does not fit"), _l("Use the cursor of the previous page, unchanged.")
    ),
}


def problem(code: str, kind: str) -> Words:
    """Return the words for a code, or for its kind."""
    return PROBLEMS.get(code) or PROBLEMS.get(kind) or PROBLEMS["internal"]


def role(names: tuple[str, ...]) -> str:
    """Return the word for the roles somebody holds."""
    known = [str(ROLES[name]) for name in names if name in ROLES]
    between: str = gettext(", ")
    return between.join(known) or gettext("No role")
