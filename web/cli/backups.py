"""The commands that keep the data: `backup`, `restore`, `drill`."""

import json
import time
from pathlib import Path
from typing import TextIO

import click

from core import config
from security import evidence
from web.cli import said
from wiring import assemble, backup

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("backup")
@click.argument("folder", type=_FOLDER)
@click.option("--keys", required=True, type=_FOLDER, help="Where the keystore's backup goes: elsewhere.")
def make_backup(folder: Path, keys: Path) -> None:
    """Back up data and recordings into FOLDER and the keys into another, each signed and dated.

    Data are kept for 35 days, keys for 7: then no backup can bring back what was destroyed.
    The root key is in neither.
    """
    with said.in_words():
        house = assemble(process="cli")
        try:
            made = backup.make(house, folder, keys=keys)
        finally:
            house.close()
    click.echo(
        f"{made.data}: {made.rows} rows, {made.objects} objects, {made.data_bytes} bytes"
        f" in {made.took_s:.1f} s"
    )
    click.echo(f"{made.keys}: the keys")
    for name in made.forgotten:
        click.echo(f"removed, too old: {name}")


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The keystore's backup. Without it the keystore that runs stays: right when only the data are lost.",
)
@click.option("--rehearse", is_flag=True, help="Prove the backup beside what runs, then remove it again.")
@click.option("--set-aside", is_flag=True, help="Keep what is in its place under another name.")
def restore_backup(folder: Path, keys: Path | None, *, rehearse: bool, set_aside: bool) -> None:
    """Restore the newest backup in FOLDER: proved beside what runs first, then put in its place."""
    started = time.monotonic()
    with said.in_words():
        settings = config.load()
        if not rehearse and not set_aside:
            backup.refuse_unless_empty(settings, with_keys=keys is not None)
        with backup.restored(settings, folder, keys=keys, keep=not rehearse) as found:
            click.echo(f"{found.source}: of {found.made_at.isoformat()}")
            click.echo(
                f"{found.rows} rows, {found.objects} objects; {found.logs} evidence logs hold together;"
                f" {found.keys_missing} keys are missing"
            )
        if not rehearse:
            for name in backup.put_in_place(settings, found, set_aside=set_aside):
                click.echo(f"set aside: {name}")
    click.echo(
        f"{'it could be' if rehearse else 'it is'} served from after {time.monotonic() - started:.1f} s"
    )


@click.group()
def certificate() -> None:
    """Check what we have signed."""


@certificate.command("verify")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--key", "known", help="The public key, from `audit key`; else the file's own is believed.")
@click.option(
    "--backup",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A backup of keys: say whether it still holds one that the certificate says is destroyed.",
)
def verify_certificate(file: TextIO, known: str | None, folder: Path | None) -> None:
    """Check FILE, a certificate, with nothing but itself; write what it says. Exit 1 when it was changed."""
    with said.in_words():
        content = evidence.documents.read(file.read(), public_key=said.public_key(known))
        if folder is not None:
            held = backup.keys_held(config.load(), folder, {one["fingerprint"] for one in content["keys"]})
            if held:
                said.stop(f"{held} of these keys are still in {folder}: remove that backup")
            click.echo(f"{folder} holds none of these keys", err=True)
    click.echo(json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True))
    if known is None:
        click.echo("the key was the file's own: give --key to know who signed", err=True)


@click.command("drill")
@click.option("--customers", default=backup.CUSTOMERS, show_default=True, help="How many in each company.")
def drill_backup(customers: int) -> None:
    """Back up, change and restore made-up companies in databases of their own; compare everything."""
    with said.in_words():
        done = backup.drill(config.load(), customers=customers)
    click.echo(
        f"{done.rows} rows and {done.objects} objects came back; {done.canaries} canaries are what they were;"
        f" {done.logs} evidence logs hold together"
    )
    click.echo(f"backup {done.backup_s:.1f} s, RTO {done.rto_s:.1f} s")
