"""The evidence log: who did what, in a form that cannot be shortened or rewritten unseen."""

from security.evidence import documents
from security.evidence.bundle import Verdict, export, verify
from security.evidence.checkpoints import Checkpoint, Signer, newest, seal, since
from security.evidence.entries import Entry, Fact, Page, page, record, size
from security.evidence.trouble import EvidenceBrokenError

__all__ = [
    "Checkpoint",
    "Entry",
    "EvidenceBrokenError",
    "Fact",
    "Page",
    "Signer",
    "Verdict",
    "documents",
    "export",
    "newest",
    "page",
    "record",
    "seal",
    "since",
    "size",
    "verify",
]
