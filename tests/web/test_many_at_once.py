"""T41: many people at once, and each gets their own answers."""

from concurrent.futures import ThreadPoolExecutor

from tests.web.conftest import Browsers, Cast

_ASKED = 240
_AT_ONCE = 12


def test_each_of_many_at_once_gets_their_own_page(browser: Browsers, cast: Cast) -> None:
    everyone = [cast.alice, cast.sue, cast.ann, cast.charlie]
    pages = []
    for user in everyone:
        page = browser()
        page.sign_in(user.email)
        pages.append(page)

    def ask(number: int) -> list[str]:
        """Return the names that stand on a page of one person's and are not theirs."""
        whose = number % len(everyone)
        text = pages[whose].get("/settings").text
        assert everyone[whose].email in text
        return [one.email for one in everyone if one is not everyone[whose] and one.email in text]

    with ThreadPoolExecutor(_AT_ONCE) as crowd:
        strangers = [email for found in crowd.map(ask, range(_ASKED)) for email in found]
    assert strangers == []
