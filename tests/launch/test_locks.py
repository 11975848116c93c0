import re

import pytest

from launch.choices import CHECKOUT

LOCKS = ("requirements-uv", "requirements", "requirements-dev")


def pins(lock: str) -> dict[str, str]:
    text = (CHECKOUT / f"{lock}.lock").read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_lock_names_an_address(lock: str) -> None:
    text = (CHECKOUT / f"{lock}.lock").read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "index-url" not in text


def test_the_lock_of_the_checks_holds_the_whole_lock_of_the_product() -> None:
    # launch.install stamps the product's lock as installed once the checks' lock is
    assert pins("requirements").items() <= pins("requirements-dev").items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked(lock: str) -> None:
    wanted = re.findall(
        r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?", (CHECKOUT / f"{lock}.in").read_text(), re.MULTILINE
    )
    assert {name.lower() for name in wanted} <= {name.lower() for name in pins(lock)}
