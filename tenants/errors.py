"""What can go wrong here, in the words of the room."""

from core.errors import Conflict, Invalid, NotFound, Refused


class CompanyMissingError(NotFound):
    """The tenant has no company: it was never opened."""

    code = "company-missing"


class CompanyChangedError(Conflict):
    """Somebody saved the company's settings since they were read."""

    code = "company-changed"


class UserMissingError(NotFound):
    """There is no such user in this company."""

    code = "user-missing"


class EmailTakenError(Conflict):
    """Somebody signs in with this e-mail address already."""

    code = "email-taken"


class MalformedEmailError(Invalid):
    """The text is not an e-mail address we can sign somebody in by."""

    code = "malformed-email"


class UnknownRoleError(Invalid):
    """There is no such role, or it does not belong to this kind of company."""

    code = "unknown-role"


class MalformedSettingError(Invalid):
    """A country, zone, language, currency, name or colour that we do not know."""

    code = "malformed-setting"


class ApiKeyMissingError(NotFound):
    """There is no such API key in this company."""

    code = "api-key-missing"


class ScopeNotYoursError(Refused):
    """A key may not be given what its maker may not do."""

    code = "scope-not-yours"


class UnknownScopeError(Invalid):
    """No API key can have this scope."""

    code = "unknown-scope"


class MalformedKeyError(Invalid):
    """The name is empty or too long, or the key would end before it begins."""

    code = "malformed-key"


class RepeatLostError(Conflict):
    """Another attempt under the same idempotency key has taken over; this one must not commit."""

    code = "repeat-lost"


class ViewMissingError(NotFound):
    """There is no such saved view of this user."""

    code = "view-missing"


class MalformedViewError(Invalid):
    """A saved view without a name, or with one that is too long."""

    code = "malformed-view"


class TooManyViewsError(Refused):
    """The user has as many saved views of this page as are kept."""

    code = "too-many-views"


class WebhookMissingError(NotFound):
    """There is no such webhook in this company."""

    code = "webhook-missing"


class DeliveryMissingError(NotFound):
    """There is no such delivery in this company."""

    code = "delivery-missing"


class WebhookChangedError(Conflict):
    """Somebody changed the webhook since it was read; `details["version"]` is the present one."""

    code = "webhook-changed"


class UnknownEventTypeError(Invalid):
    """No webhook can hear this type of event, or none was named."""

    code = "unknown-event-type"


class TooManyWebhooksError(Refused):
    """The company has as many webhooks as it may have."""

    code = "too-many-webhooks"


class WebhookOffError(Refused):
    """The webhook is switched off: nothing is sent to it."""

    code = "webhook-off"


class DeliveryWaitingError(Conflict):
    """The delivery is still on its way; there is nothing to replay yet."""

    code = "delivery-waiting"


class TooMuchToReplayError(Invalid):
    """The range holds more deliveries than one replay takes; a shorter one is needed."""

    code = "too-much-to-replay"


class LastOwnerError(Refused):
    """The company would be left without an owner who may come in."""

    code = "last-owner"


class RoleNotYoursError(Refused):
    """Nobody gives or takes what they do not have themselves."""

    code = "role-not-yours"


class InvitationOverError(Refused):
    """The link was used, is too old, or belongs to somebody who is let in no more."""

    code = "invitation-over"


class OwnerIsInError(Refused):
    """The company's owner has chosen a password: its own people make links now, and the operator none."""

    code = "owner-is-in"


class SecondStepOnError(Conflict):
    """The person signs in by a second step already; it is removed before another is begun."""

    code = "second-step-on"


class WrongCodeError(Refused):
    """The code is not of this phone and this minute, or was used already."""

    code = "wrong-code"


class AlarmNotFoundError(NotFound):
    """There is no such alarm in this company."""

    code = "alarm-not-found"


class ResetOverError(Refused):
    """The link for another password was used, is too old, or the password was replaced since."""

    code = "reset-over"


class AgreementTextError(Invalid):
    """No text or too long a one, a grace not of 0 to 90 days, or it begins before the one that stands."""

    code = "agreement-text"


class AgreementMissingError(NotFound):
    """There is no such version, or nothing to sign yet."""

    code = "agreement-missing"


class SignatureRevokedError(Refused):
    """The company has shut this person out; only it lets them sign again."""

    code = "signature-revoked"


class NotYourNameError(Invalid):
    """Who signs types their own name as it stands above the text, and ticks the box."""

    code = "not-your-name"


class HeldError(Refused):
    """A legal hold covers it: nothing of it may be removed until somebody lifts the hold."""

    code = "legal-hold"


class HoldNotFoundError(NotFound):
    """There is no such hold in this company."""

    code = "hold-not-found"


class HoldReasonError(Invalid):
    """A hold says why, in at most 200 signs."""

    code = "hold-reason"


class PasskeyMissingError(NotFound):
    """There is no such passkey of this person."""

    code = "passkey-missing"


class PasskeyTakenError(Conflict):
    """This passkey is kept already."""

    code = "passkey-taken"


class TooManyPasskeysError(Refused):
    """The person has as many passkeys as are kept."""

    code = "too-many-passkeys"


class MalformedPasskeyError(Invalid):
    """A passkey without a name, or with one that is too long."""

    code = "malformed-passkey"


class KeyElsewhereError(Refused):
    """The key may not be used from this address."""

    code = "key-elsewhere"


class CompanyClosedError(Refused):
    """The company is closed for good; while its deletion can be called off, that opens the way back."""

    code = "company-closed"


class DeletionNotFoundError(NotFound):
    """There is no such deletion."""

    code = "deletion-not-found"


class DeletionRefusedError(Refused):
    """The deletion is not possible in this state, or not by this person."""

    code = "deletion-refused"


class OwnDeletionError(DeletionRefusedError):
    """Who asked for a deletion cannot confirm it."""

    code = "deletion-own"


class RecoveryMissingError(NotFound):
    """There is no such request for a lost second step."""

    code = "recovery-missing"


class RecoveryRefusedError(Refused):
    """Not of this person, not by this person, not without a second step, or not any more."""

    code = "recovery-refused"


class GlassRefusedError(Refused):
    """One's own request, a late or repeated one, no second step, or a time that is over."""

    code = "glass-refused"


class GlassAskedWronglyError(Invalid):
    """No such reason, a ticket that is no reference, or not 1 to 60 minutes."""

    code = "glass-asked"


class ExportNotFoundError(NotFound):
    """There is no such export, or nothing of it is left to fetch."""

    code = "export-not-found"


class ExportUnderWayError(Conflict):
    """One export is being made already."""

    code = "export-under-way"


class ExportAskedWronglyError(Invalid):
    """Neither a passphrase that is long enough nor the public key of an age identity, or both."""

    code = "export-asked"


class DownloadNotFoundError(NotFound):
    """There is no such file of who asks, or nothing of it is left to fetch."""

    code = "download-not-found"


class DownloadsUnderWayError(Conflict):
    """As many files as one may wait for are being made already."""

    code = "downloads-under-way"


class DownloadTooLongError(Invalid):
    """A workbook of so many rows is not made; `details` has how many are, and CSV has no bound."""

    code = "download-too-long"


class DownloadRefusedError(Refused):
    """Who asked for the file may not see it any more."""

    code = "download-refused"


class RetentionBoundsError(Invalid):
    """Fewer days than a law wants, or more than anything is kept; `details` has both bounds."""

    code = "retention-bounds"
