"""What can go wrong with campaigns and lead files, in words of this room."""

from core.errors import Conflict, Invalid, NotFound, Refused


class CampaignNotFoundError(NotFound):
    """No such campaign of this company."""

    code = "campaign-not-found"


class LeadImportNotFoundError(NotFound):
    """No such lead file of this company."""

    code = "lead-import-not-found"


class CampaignChangedError(Conflict):
    """Somebody saved the campaign since it was read; nothing was written."""

    code = "campaign-changed"


class CampaignStateError(Refused):
    """The campaign's state does not lead there: `from` and `to` say which."""

    code = "campaign-state"


class CampaignSettingError(Invalid):
    """A setting is not what it must be; `field` names it."""

    code = "campaign-setting"


class CampaignNotReadyError(Refused):
    """The campaign cannot be started: it has no leads left to call, or a file is still being read."""

    code = "campaign-not-ready"


class LeadImportStateError(Refused):
    """The lead file has been started, or thrown away, already."""

    code = "lead-import-state"


class LeadFileError(Invalid):
    """The file cannot be read as a list of leads; `reason` says why."""

    code = "lead-file"


class LeadFileTooLargeError(LeadFileError):
    """The file has more bytes or rows than a list of leads can have."""

    code = "lead-file-too-large"


class LeadFileEncodingError(LeadFileError):
    """The text is in none of the encodings we know, or not in the one that was chosen."""

    code = "lead-file-encoding"


class LeadFileUnsafeError(LeadFileError):
    """The workbook unpacks to far more than it is, holds other archives, or is encrypted."""

    code = "lead-file-unsafe"


class LeadFileEmptyError(LeadFileError):
    """There is no row in it."""

    code = "lead-file-empty"


class LeadColumnsError(LeadFileError):
    """The columns do not say where the telephone numbers stand, or two have one name."""

    code = "lead-columns"
