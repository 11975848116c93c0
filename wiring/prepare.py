"""Prepares a database for Seatline: roles, the two databases, the walls, the migrations.

Runs with an administrator's address (embedded PostgreSQL's superuser, or what `DATABASE_URL` names); every
step may run again. Passwords are random and kept in one file that only its owner can read.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from core.ids import OPERATOR
from security.keys import RootKey

_LOGIN_ROLES = ("seatline_app", "seatline_bill", "seatline_migrator", "seatline_backup", "seatline_keys")
_OTHER_ROLES = ("seatline_owner", "seatline_policy", "seatline_eraser")
_DATA, _KEYS = "seatline", "seatline_keys"
_BLOCK = 64  # SHA-256's block, for the HMAC pads


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One address per role; they hold passwords, so no repr shows them."""

    app: str = field(repr=False)
    bill: str = field(repr=False)
    keys: str = field(repr=False)
    migrator: str = field(repr=False)
    backup: str = field(repr=False)


def prepare_database(
    admin_url: str,
    *,
    secrets_file: Path,
    root_key: RootKey,
    database: str = _DATA,
    keystore: str = _KEYS,
    revision: str = "head",
) -> DatabaseUrls:
    """Bring an empty or an older database to the present shape.

    Args:
        admin_url: may create roles and databases.
        secrets_file: keeps the roles' passwords, mode 0600; made when missing.
        root_key: the context key is derived from it and entered as the database's copy.
        database: name of the data database (tests use others).
        keystore: name of the keystore database.
        revision: the migration to stop at; a backup is loaded into the shape it was made from.
    """
    passwords = _passwords(secrets_file)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        _roles(admin, passwords)
        for name, owner in ((database, "seatline_owner"), (keystore, "seatline_keys")):
            _database(admin, name, owner)
    with psycopg.connect(_to(admin_url, database), autocommit=True) as admin:
        admin.execute(_file("walls.sql"))
        _mac_keys(admin, root_key.derive("context/v1"))
        admin.execute(
            "INSERT INTO sec.registry (tenant_id, is_operator) VALUES (%s, true) ON CONFLICT DO NOTHING",
            (OPERATOR,),
        )
    with psycopg.connect(_to(admin_url, keystore), autocommit=True) as admin:
        admin.execute(_file("keystore.sql"))
    urls = DatabaseUrls(
        app=_as(admin_url, "seatline_app", passwords, database),
        bill=_as(admin_url, "seatline_bill", passwords, database),
        keys=_as(admin_url, "seatline_keys", passwords, keystore),
        migrator=_as(admin_url, "seatline_migrator", passwords, database),
        backup=_as(admin_url, "seatline_backup", passwords, database),
    )
    migrate(urls.migrator, revision=revision)
    return urls


def migrate(migrator_url: str, *, revision: str = "head") -> None:
    """Run the migrations up to the newest, or to `revision`."""
    command.upgrade(_alembic(migrator_url), revision)


def clone_database(admin_url: str, *, template: str, name: str, secrets_file: Path) -> DatabaseUrls:
    """Make a copy of a prepared database in some tens of milliseconds; for tests."""
    passwords = _passwords(secrets_file)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER seatline_owner").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        _database(admin, name, "seatline_owner")
    return DatabaseUrls(
        app=_as(admin_url, "seatline_app", passwords, name),
        bill=_as(admin_url, "seatline_bill", passwords, name),
        keys=_as(admin_url, "seatline_keys", passwords, _KEYS),
        migrator=_as(admin_url, "seatline_migrator", passwords, name),
        backup=_as(admin_url, "seatline_backup", passwords, name),
    )


def newest_migration() -> str:
    """Return the number of the newest migration in this checkout."""
    head = ScriptDirectory.from_config(_alembic("")).get_current_head()
    return head or ""


def database_migration(app_url: str) -> str:
    """Return the number of the migration the database stands at; empty when there is none."""
    with psycopg.connect(app_url) as connection:
        row = connection.execute("SELECT version_num FROM meta.alembic_version").fetchone()
    return str(row[0]) if row else ""


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", "migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def _passwords(file: Path) -> dict[str, str]:
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = [role for role in _LOGIN_ROLES if role not in kept]
    if missing:
        kept |= {role: secrets.token_urlsafe(24) for role in missing}
        part = file.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(kept, stream)
        part.replace(file)
    return kept


def _roles(admin: psycopg.Connection, passwords: dict[str, str]) -> None:
    there = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
    for role in (*_OTHER_ROLES, *_LOGIN_ROLES):
        if role not in there:
            admin.execute(sql.SQL("CREATE ROLE {} NOINHERIT").format(sql.Identifier(role)))
    for role in _LOGIN_ROLES:
        admin.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(passwords[role])
            )
        )
    admin.execute("ALTER ROLE seatline_backup BYPASSRLS")
    admin.execute("GRANT seatline_owner TO seatline_migrator")
    # what a stuck statement may cost others; the migrator sets its own
    admin.execute("ALTER ROLE seatline_app SET statement_timeout = '15s'")
    admin.execute("ALTER ROLE seatline_keys SET statement_timeout = '5s'")
    admin.execute("ALTER ROLE seatline_app SET idle_in_transaction_session_timeout = '60s'")


def _database(admin: psycopg.Connection, name: str, owner: str) -> None:
    there = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    database = sql.Identifier(name)
    if not there:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(owner)))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    logins = (
        ("seatline_keys",)
        if owner == "seatline_keys"
        else ("seatline_app", "seatline_bill", "seatline_migrator", "seatline_backup")
    )
    for role in logins:
        admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(role)))


def _mac_keys(admin: psycopg.Connection, context_key: bytes) -> None:
    pads = _pads(context_key)
    admin.execute(
        "INSERT INTO sec.mac_key (kid, purpose, k_ipad, k_opad, not_after)"
        " VALUES (1, 'app', %s, %s, now() + interval '10 years') ON CONFLICT (kid)"
        " DO UPDATE SET k_ipad = excluded.k_ipad, k_opad = excluded.k_opad",
        pads,
    )


def _pads(key: bytes) -> tuple[bytes, bytes]:
    block = key.ljust(_BLOCK, b"\0")
    return bytes(one ^ 0x36 for one in block), bytes(one ^ 0x5C for one in block)


def _file(name: str) -> bytes:
    return files("security").joinpath(f"sql/{name}").read_bytes()


def _to(url: str, database: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{database}"))


def _as(url: str, role: str, passwords: dict[str, str], database: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    port = f":{parts.port}" if parts.port else ""
    netloc = f"{role}:{quote(passwords[role], safe='')}@{host}{port}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))
