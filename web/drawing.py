"""Draws the rows of pages for files: runs a page's view in a worker, by the rights who asked has now.

A table is drawn in pieces of some thousand rows, each in a transaction of its own, from the place where the
last one ended; what goes in between are typed cells as JSON lines, because how many columns there are (an
amount takes two) is only known at the end. Other files are written by their view as a whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flask import Flask, g
from sqlalchemy.exc import ProgrammingError

from core.errors import NotFound, Refused
from security.gate import Scope
from tenants.downloads import Download
from tenants.errors import DownloadRefusedError
from web import files, identity, scope, sheets
from web.factory import create_app
from web.files import Pen
from web.services import Services
from web.sheets import Layout
from wiring import House
from wiring.downloading import Drawn

_ROWS = 5000


class PageDrawer:
    """Draws by the application; see `wiring.downloading.Drawer`."""

    def __init__(self, services: Services) -> None:
        """Take the services of this process; the application is made when it is first needed."""
        self._services = services
        self._app: Flask | None = None

    def draw(self, download: Download, moved: Callable[[int], None]) -> Drawn:
        """See `wiring.downloading.Drawer.draw`."""
        if self._app is None:
            self._app = create_app(self._services)
        base = self._services.settings.public_url
        with self._app.test_request_context(download.address, base_url=base):
            held = Pen(download.after, _ROWS, download.done, list(download.layout.get("paired", ())), moved)
            files.take(held)
            try:
                _come_in(download)
                self._app.preprocess_request()
                self._app.dispatch_request()
            except (Refused, NotFound) as error:
                raise DownloadRefusedError from error
            except ProgrammingError as error:
                if identity.is_refused(error):  # the company is suspended
                    raise DownloadRefusedError from error
                raise
            if held.drawn is None:  # sent elsewhere
                raise DownloadRefusedError
            return held.drawn

    def bind(self, download: Download, pieces: Iterator[bytes]) -> tuple[str, str, Iterator[bytes]]:
        """See `wiring.downloading.Drawer.bind`."""
        layout = Layout(**download.layout)
        content = sheets.content(download.kind, layout, sheets.unpacked(pieces))
        return f"{layout.file}.{download.kind}", sheets.TYPES[download.kind], content


def furnish(house: House) -> House:
    """Return a process's adapters with what draws pages."""
    return replace(house, drawer=PageDrawer(house))


def _come_in(download: Download) -> None:
    """Stand where who asked would stand, with the rights they have at this moment.

    Raises:
        DownloadRefusedError: they are not here any more.
    """
    session = scope.enter(Scope(download.tenant_id, download.asked_by, download.asked_as))
    who = identity.as_of_now(
        session, tenant_id=download.tenant_id, principal_id=download.asked_by, kind=download.asked_as
    )
    if who is None:
        raise DownloadRefusedError
    g._login_user = who  # noqa: SLF001 - where flask-login keeps who is signed in
