"""What is said in a conference room to one of those in it, in the language of the number they called."""

from collections.abc import Callable

Words = Callable[[str], str]


def first(language: str) -> str:
    """Return what a caller hears who is alone."""
    return "您是第一位，请稍候。" if language == "zh" else "You are the first. Please wait."


def leader_awaited(language: str) -> str:
    """Return what a caller hears whose leader is not there."""
    if language == "zh":
        return "主持人加入后会议开始，请稍候。"
    return "The conference begins when its leader joins. Please wait."


def mutes_self(language: str) -> str:
    """Return what a caller hears who has muted themselves."""
    if language == "zh":
        return "您已静音。按星号键和6取消静音。"
    return "You are muted. Press star six to be heard again."


def is_heard(language: str) -> str:
    """Return what a caller hears who lets themselves be heard again."""
    return "已取消静音，大家可以听到您。" if language == "zh" else "You are heard again."


def muted(language: str) -> str:
    """Return what a caller hears whom a person of the company has muted."""
    if language == "zh":
        return "主办方已将您静音。"
    return "The organiser has muted you."


def may_be_heard(language: str) -> str:
    """Return what a caller hears whom the company lets be heard again."""
    return "主办方已取消您的静音。" if language == "zh" else "The organiser has unmuted you."


def locked(language: str) -> str:
    """Return what a leader hears who has locked the room."""
    if language == "zh":
        return "会议室已锁定。按星号键和5解锁。"
    return "The conference is locked. Press star five to open it."


def opened(language: str) -> str:
    """Return what a leader hears who has opened the room again."""
    return "会议室已解锁。" if language == "zh" else "The conference is open again."
