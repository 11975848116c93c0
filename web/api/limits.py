"""How many requests a key may make, and the headers that say so."""

from flask import Response, g

from security.throttle import Limit, Standing, Throttle, TooManyError
from web import identity, scope

PER_KEY = Limit("api", 600, 60)


def count() -> None:
    """Count this request against its key.

    Raises:
        TooManyError: the key has used up its minute.
        redis.RedisError: nothing can be counted.
    """
    who = identity.known()
    if who is None:  # a public operation
        return
    services = scope.services()
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    standing = throttle.hit(PER_KEY, tenant_id=who.tenant_id, subject=str(who.principal_id))
    g.seatline_standing = standing
    if standing.is_over:
        raise TooManyError(retry_after_s=standing.reset_s)


def tell(response: Response) -> Response:
    """Say in the headers how much of the limit is left."""
    standing: Standing | None = g.get("seatline_standing")
    if standing is not None:
        response.headers["RateLimit-Limit"] = str(standing.limit)
        response.headers["RateLimit-Remaining"] = str(standing.remaining)
        response.headers["RateLimit-Reset"] = str(standing.reset_s)
    return response
