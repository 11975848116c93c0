"""Sounds the company has uploaded for its flows: heard again, added, taken away."""

from flask import Response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import SeatlineError
from core.ids import SoundId
from telephony import sound_files
from telephony.errors import NotASoundError, SoundInUseError, SoundTooLongError, TooManySoundsError
from telephony.flows import sounds
from web import identity, said, scope, uploads
from web.guards import permission
from web.portal.views import pages


@pages.get("/sounds")
@permission("queues.read")
def sound_list() -> str:
    """Show the company's sounds."""
    return render_template(
        "portal/sounds.html",
        sounds=[
            {
                "id": one.ref,
                "name": one.name,
                "seconds": f"{one.length_ms / 1000:.1f}",
                "added_at": one.added_at,
            }
            for one in sounds.all_of(scope.session(), tenant_id=identity.current().tenant_id)
        ],
        may_write="queues.write" in identity.current().permissions,
        longest_s=sound_files.LONGEST_MS // 1000,
        largest_mb=sound_files.LARGEST >> 20,
        longest_name=sounds.LONGEST_NAME,
    )


@pages.post("/sounds")
@permission("queues.write")
@uploads.takes_file(sound_files.LARGEST)
def add_sound() -> BaseResponse:
    """Take a sound in; a file that is none is refused with the reason."""
    who, file = identity.current(), request.files.get("file")
    back = redirect(url_for("portal.sound_list"), 303)
    if file is None or not file.filename:
        said.refused(gettext("Choose a file first: WAV or MP3."))
        return back
    name = " ".join((request.form.get("name", "") or file.filename).split())[: sounds.LONGEST_NAME]
    try:
        sounds.add(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            name=name if name.isprintable() else gettext("Sound"),
            data=file.stream.read(sound_files.LARGEST + 1),
            by=who.principal_id,
        )
    except (NotASoundError, SoundTooLongError, TooManySoundsError) as error:
        _refuse(error)
    else:
        said.done(gettext("%(name)s is uploaded. A step “Play a sound” can play it.", name=name))
    return back


@pages.get("/sounds/<sound_id>/audio")
@permission("queues.read")
def sound_audio(sound_id: str) -> Response:
    """Return a sound as callers hear it."""
    sound = sounds.wav(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        sound_id=SoundId(ids.parse("snd", sound_id)),
    )
    return Response(sound, content_type="audio/wav")


@pages.post("/sounds/<sound_id>/remove")
@permission("queues.write")
def remove_sound(sound_id: str) -> BaseResponse:
    """Take a sound away that no flow plays."""
    try:
        sounds.remove(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            sound_id=SoundId(ids.parse("snd", sound_id)),
        )
    except SoundInUseError as error:
        _refuse(error)
    else:
        said.done(gettext("The sound is removed."))
    return redirect(url_for("portal.sound_list"), 303)


def _refuse(error: SeatlineError) -> None:
    said.why(error)
