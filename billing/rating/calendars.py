"""Public holidays by country and part of it, from the `holidays` library (dates by law and custom).

What a version of a price list says is frozen: the dates go into it when it is published, and a newer library
changes nothing that was rated. A day that stands in for one that falls on a weekend counts as well; working
days in exchange for a holiday (调休) do not count as anything else than their weekday.
"""

import holidays

from billing.rating.tariff import Holidays

YEARS_AHEAD = 10


def exists(calendar: str) -> bool:
    """Return whether there is a calendar of this code: ISO 3166, like `CN`, or `GB-ENG` for a part."""
    country, _, part = calendar.partition("-")
    known = holidays.list_supported_countries(include_aliases=False)
    return country in known and (not part or part in known[country])


def of(calendar: str, *, from_year: int) -> Holidays:
    """Return the holidays of a calendar that exists, from a year until ten years after it.

    Worked: `GB-ENG` from 2026 holds 25 December 2026, and the 28th for the 26th, a Saturday.
    """
    country, _, part = calendar.partition("-")
    to_year = from_year + YEARS_AHEAD
    found = holidays.country_holidays(country, subdiv=part or None, years=range(from_year, to_year + 1))
    dates = frozenset(day for day in found if from_year <= day.year <= to_year)
    return Holidays(calendar, from_year, to_year, dates)
