"""An attacker's function that can be imported in the tests' process, and whether it has run."""

RAN: list[object] = []


def leave(*anything: object) -> None:
    RAN.append(anything)
