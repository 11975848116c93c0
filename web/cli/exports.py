"""The commands that open and check an archive of everything a company owns; no database, no network."""

from pathlib import Path
from typing import TextIO

import click

from core import ids
from web.cli import said
from wiring import exporting
from wiring.exporting import Opened

_FOLDER = click.Path(path_type=Path, file_okay=False)
_KEY = click.option("--key", "known", help="The operator's public key, from `audit key`; else the archive's.")


@click.group("export")
def export_group() -> None:
    """Open and check an archive of everything a company owns."""


@export_group.command("open")
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", "folder", required=True, type=_FOLDER, help="An empty folder; what it holds is clear.")
@click.option(
    "--identity",
    type=click.File(encoding="utf-8"),
    help="The age key file; without it the passphrase is asked for.",
)
@_KEY
def open_export(archive: Path, folder: Path, identity: TextIO | None, known: str | None) -> None:
    """Open ARCHIVE into a folder and check every file of it."""
    passphrase = None if identity else click.prompt("Passphrase", hide_input=True, err=True)
    with said.in_words(), archive.open("rb") as stream:
        opened = exporting.open_archive(
            stream,
            folder,
            passphrase=passphrase,
            identity=identity.read() if identity else None,
            public_key=said.public_key(known),
        )
    _say(opened, folder, known)


@export_group.command("verify")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_KEY
def verify_export(folder: Path, known: str | None) -> None:
    """Check every file of an archive that was opened into FOLDER. Exit 1 when one is not what it was."""
    with said.in_words():
        opened = exporting.verify_folder(folder, public_key=said.public_key(known))
    _say(opened, folder, known)


def _say(opened: Opened, folder: Path, known: str | None) -> None:
    click.echo(
        f"{ids.public('ten', opened.log.tenant_id)}: {opened.files} files in {folder} are what was made at"
        f" {opened.manifest['made_at']}; {opened.log.size} entries of evidence hold together"
    )
    if known is None:
        click.echo("the key was the archive's own: give --key to know who signed", err=True)
