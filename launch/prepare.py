"""Prepare the database and seed the demo: an errand of the supervisor, in a process of its own.

    python -m launch.prepare <request.json>

It loads the whole product, which the supervisor, alive for months, should not carry.
"""

import json
import os
import sys
from pathlib import Path

from core.config import load
from launch.files import write_json
from wiring.demo import seed
from wiring.prepare import prepare_database
from wiring.root_key import opened as root_key_of


def main(request_file: Path) -> int:
    """Do what the request says: see `launch.up`, which writes it."""
    request = json.loads(request_file.read_text(encoding="utf-8"))
    settings = request["settings"]
    urls = prepare_database(
        settings["admin_database_url"],
        secrets_file=Path(request["roles_file"]),
        root_key=root_key_of(Path(settings["root_key_file"]), environment=settings["environment"]),
    )
    addresses = {
        "database_url": urls.app,
        "bill_database_url": urls.bill,
        "keys_database_url": urls.keys,
        "migrator_database_url": urls.migrator,
        "backup_database_url": urls.backup,
    }
    config = Path(request["config_file"])
    write_json(config, settings | addresses)
    if request["with_demo"]:
        sign_ins = seed(load(config))
        if sign_ins:
            people = [
                {"who": one.who, "address": one.address, "email": one.email, "password": one.password}
                for one in sign_ins
            ]
            write_json(Path(request["sign_ins_file"]), {"people": people})
    write_json(Path(request["prepared_file"]), {"stamp": request["stamp"], "addresses": addresses})
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(Path(sys.argv[1])))
