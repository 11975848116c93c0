"""What letters say, in both languages: a subject, a few sentences, perhaps one link.

Facts are put into the gaps as they are in plain text and escaped in HTML; a subject takes none that could
break its line, `core.mail` sees to it. No picture and no foreign address: nobody learns that it was read.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_LINK = "link"
_TAGS = {"en": "en", "zh_Hans_CN": "zh-CN"}


class Kind(StrEnum):
    """What a letter is about."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password-reset"  # noqa: S105 - a kind of letter
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a kind of letter
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_COPIED = "passkey-copied"
    SECOND_STEP_TAKEN = "second-step-taken"
    STEP_RECOVERY = "step-recovery"
    STEP_RECOVERED = "step-recovered"
    INVOICE_LATE = "invoice-late"
    INVOICE_LAST = "invoice-last"
    CALLS_SUSPENDED = "calls-suspended"
    CALLS_RESUMED = "calls-resumed"
    WALLET_LOW = "wallet-low"
    TOP_UP_STOPPED = "top-up-stopped"


@dataclass(frozen=True, slots=True)
class Words:
    """A letter's words; `tag` is the language as HTML has it."""

    subject: str
    text: str
    html: str
    tag: str


@dataclass(frozen=True, slots=True)
class _Form:
    """A letter with gaps: sentences before the link, what the link is called, sentences after it."""

    subject: str
    before: tuple[str, ...]
    link: str = ""
    after: tuple[str, ...] = ()


_FORMS: Mapping[Kind, Mapping[str, _Form]] = {
    Kind.INVITATION: {
        "en": _Form(
            "You are invited to {company} at Seatline",
            (
                "Hello {name},",
                "{by} has invited you to {company}. Choose a password and you can sign in with {email}.",
            ),
            "Choose a password",
            (
                "The link is good for {days} days and for one password.",
                "If you expected nothing of the kind, do nothing: without you it opens nothing.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "邀请您加入 Seatline 上的 {company}",
            (
                "{name}，您好：",
                "{by} 邀请您加入 {company}。请设置密码，之后即可用 {email} 登录。",
            ),
            "设置密码",
            (
                "此链接 {days} 天内有效，只能设置一次密码。",
                "如果您并不知情，请忽略此邮件：您不操作，链接不会生效。",
            ),
        ),
    },
    Kind.PASSWORD_RESET: {
        "en": _Form(
            "Choose another password for Seatline",
            ("Hello {name},", "somebody, perhaps you, has asked for another password for {email}."),
            "Choose another password",
            (
                "The link is good for {minutes} minutes and for one password.",
                "A second step is still asked for.",
                "If it was not you, do nothing: your password stays as it is.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "重设您的 Seatline 密码",
            ("{name}，您好：", "有人（可能是您本人）申请重设 {email} 的密码。"),
            "重设密码",
            (
                "此链接 {minutes} 分钟内有效，只能设置一次密码。",
                "两步验证仍然需要。",
                "如果不是您本人操作，请忽略此邮件：您的密码不会改变。",
            ),
        ),
    },
    Kind.PASSWORD_CHANGED: {
        "en": _Form(
            "Your Seatline password was changed",
            (
                "Hello {name},",
                "the password for {email} was changed, and you were signed out everywhere.",
                "If it was not you, choose another one by “Forgot your password?” on the sign-in page, now.",
                "Then tell an owner of your company.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "您的 Seatline 密码已更改",
            (
                "{name}，您好：",
                "{email} 的密码已更改，您已在所有设备上退出登录。",
                "如果不是您本人操作，请立即在登录页点击“忘记密码？”重新设置。",
                "然后告知贵公司的所有者。",
            ),
        ),
    },
    Kind.PASSKEY_ADDED: {
        "en": _Form(
            "A passkey was added to your Seatline account",
            (
                "Hello {name},",
                "the passkey “{passkey}” was added for {email}. It lets you in without your password.",
                "If it was not you, remove it under Settings, Passkeys, and change your password.",
                "Then tell an owner of your company.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "您的 Seatline 账号已添加通行密钥",
            (
                "{name}，您好：",
                "已为 {email} 添加通行密钥“{passkey}”，凭它无需密码即可登录。",
                "如果不是您本人操作，请在“设置”的“通行密钥”中移除，并更改密码。",
                "然后告知贵公司的所有者。",
            ),
        ),
    },
    Kind.PASSKEY_COPIED: {
        "en": _Form(
            "A passkey of yours was refused at Seatline",
            (
                "Hello {name},",
                "the passkey “{passkey}” was used for {email}, and refused: its counter went back.",
                "Somebody may have copied it. Sign in another way and remove it under Settings, Passkeys.",
                "Then tell an owner of your company.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "您的通行密钥在 Seatline 被拒绝",
            (
                "{name}，您好：",
                "有人用通行密钥“{passkey}”登录 {email}，已被拒绝：它的计数器倒退了。",
                "该密钥可能已被复制。请用其他方式登录，在“设置”的“通行密钥”中移除它，并告知贵公司的所有者。",
            ),
        ),
    },
    Kind.SECOND_STEP_TAKEN: {
        "en": _Form(
            "Your second step at Seatline was taken away",
            (
                "Hello {name},",
                "an owner of your company has taken the second step away from {email}, because it was lost.",
                "You were signed out everywhere, and your password alone lets you in.",
                "Set it up again under Settings. If you have lost nothing, change your password.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "您在 Seatline 的两步验证已被取消",
            (
                "{name}，您好：",
                "贵公司的一位所有者因遗失而取消了 {email} 的两步验证。",
                "您已在所有设备上退出登录，目前仅凭密码即可登录。",
                "请在“设置”中重新开启两步验证。如果您并未遗失任何东西，请更改密码。",
            ),
        ),
    },
    Kind.STEP_RECOVERY: {
        "en": _Form(
            "Your second step at Seatline will be taken away",
            (
                "Hello {name},",
                "two people of the operator have agreed to take the second step away from {email}:",
                "somebody has said that it is lost. It is taken on {when}.",
                "If you have lost nothing, sign in with it before then, and nothing is taken.",
                "And tell the operator, for somebody has spoken in your name.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "您在 Seatline 的两步验证将被取消",
            (
                "{name}，您好：",
                "有人报告 {email} 的两步验证已遗失，运营方的两位工作人员已同意取消它，将于 {when} 生效。",
                "如果您并未遗失任何东西，请在此之前用两步验证登录一次，这样就不会取消。",
                "同时请告知运营方：有人冒用了您的名义。",
            ),
        ),
    },
    Kind.STEP_RECOVERED: {
        "en": _Form(
            "Your second step at Seatline was taken away",
            (
                "Hello {name},",
                "two people of the operator have taken the lost second step away from {email}.",
                "You were signed out everywhere, and your password alone lets you in.",
                "Set it up again under Settings. If you have lost nothing, change your password at once",
                "and tell the operator.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "您在 Seatline 的两步验证已被取消",
            (
                "{name}，您好：",
                "因报告遗失，运营方的两位工作人员已取消 {email} 的两步验证。",
                "您已在所有设备上退出登录，目前仅凭密码即可登录。",
                "请在“设置”中重新开启两步验证。如果您并未遗失任何东西，请更改密码，并立即告知运营方。",
            ),
        ),
    },
    Kind.INVOICE_LATE: {
        "en": _Form(
            "Invoice {number} is overdue",
            ("Hello {name},", "{amount} of invoice {number} was to be paid by {due} and is open."),
            "See the invoice and pay",
            (
                "If you have just paid, there is nothing to do.",
                "If something on it is wrong, dispute it on its page: what is disputed is not asked for.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "账单 {number} 已逾期",
            ("{name}，您好：", "账单 {number} 应于{due}前付清，目前尚有 {amount} 未付。"),
            "查看并支付账单",
            (
                "如果您刚刚付款，则无须处理。",
                "如果账单有误，请在账单页面提出异议：有异议的金额不会催收。",
            ),
        ),
    },
    Kind.INVOICE_LAST: {
        "en": _Form(
            "Last reminder: invoice {number}",
            (
                "Hello {name},",
                "{amount} of invoice {number}, due on {due}, is still open.",
                "If it is not paid within {days} days, nobody is called out and nothing more is rented.",
                "Calls in go on.",
            ),
            "See the invoice and pay",
            ("As soon as it is paid, everything goes on by itself. If you cannot pay now, talk to us.",),
        ),
        "zh_Hans_CN": _Form(
            "最后提醒：账单 {number}",
            (
                "{name}，您好：",
                "账单 {number}（应于{due}前付清）仍有 {amount} 未付。",
                "若 {days} 天内仍未付清，将暂停外呼和新的租用；来电不受影响。",
            ),
            "查看并支付账单",
            ("付清后一切自动恢复。如暂时无法付款，请与我们联系。",),
        ),
    },
    Kind.CALLS_SUSPENDED: {
        "en": _Form(
            "Calls out are suspended: invoice {number}",
            (
                "Hello {name},",
                "{amount} of invoice {number}, due on {due}, is still open.",
                "From now on nobody is called out and nothing more is rented.",
                "Calls under way and calls in go on.",
            ),
            "See the invoice and pay",
            ("As soon as it is paid, everything goes on by itself.",),
        ),
        "zh_Hans_CN": _Form(
            "外呼已暂停：账单 {number}",
            (
                "{name}，您好：",
                "账单 {number}（应于{due}前付清）仍有 {amount} 未付。",
                "即日起暂停外呼和新的租用；正在进行的通话和来电不受影响。",
            ),
            "查看并支付账单",
            ("付清后一切自动恢复。",),
        ),
    },
    Kind.CALLS_RESUMED: {
        "en": _Form(
            "Calls out go on",
            (
                "Hello {name},",
                "thank you: nothing stands in the way any more. You can call out and rent again.",
            ),
        ),
        "zh_Hans_CN": _Form(
            "外呼已恢复",
            ("{name}，您好：", "谢谢！障碍已消除，您可以继续外呼和租用。"),
        ),
    },
    Kind.WALLET_LOW: {
        "en": _Form(
            "Little is left in your wallet",
            (
                "Hello {name},",
                "{amount} may still be spent. When nothing is left, no call goes out; calls under way go on.",
            ),
            "See the wallet",
        ),
        "zh_Hans_CN": _Form(
            "预付钱包余额不足",
            ("{name}，您好：", "可用余额为 {amount}。余额用尽后将无法外呼；正在进行的通话不受影响。"),
            "查看钱包",
        ),
    },
    Kind.TOP_UP_STOPPED: {
        "en": _Form(
            "Your wallet was not topped up",
            (
                "Hello {name},",
                "{amount} could not be added to your wallet by itself: {why}.",
                "It is not tried again until you switch it on; a month’s amount begins anew with the month.",
            ),
            "See the wallet",
        ),
        "zh_Hans_CN": _Form(
            "钱包自动充值未成功",
            (
                "{name}，您好：",
                "未能为您的钱包自动充值 {amount}：{why}。",
                "在您重新开启之前不会再次尝试；如因本月额度用完，则下月自动恢复。",
            ),
            "查看钱包",
        ),
    },
}


def words(kind: Kind, *, language: str, facts: Mapping[str, str]) -> Words:
    """Return a letter's words in a language, English for one that we do not have.

    Args:
        kind: which letter.
        language: of the recipient.
        facts: what fills the gaps, `link` among them where the letter has one.
    """
    known = language if language in _TAGS else "en"
    form = _FORMS[kind][known]
    tag = _TAGS[known]
    subject = form.subject.format_map(facts)
    before = [one.format_map(facts) for one in form.before]
    after = [one.format_map(facts) for one in form.after]
    link = [facts[_LINK]] if form.link else []
    text = "\n\n".join((*before, *link, *after, "-- \nSeatline"))
    return Words(subject, f"{text}\n", _marked_up(subject, before, form.link, link, after, tag), tag)


def _marked_up(
    subject: str, before: list[str], label: str, link: list[str], after: list[str], tag: str
) -> str:
    def paragraphs(sentences: list[str]) -> str:
        return "".join(f"<p>{html.escape(one)}</p>" for one in sentences)

    links = "".join(
        f'<p><a href="{html.escape(one)}">{html.escape(label)}</a></p><p>{html.escape(one)}</p>'
        for one in link
    )
    return (
        f'<!doctype html><html lang="{tag}"><head><meta charset="utf-8"><title>{html.escape(subject)}</title>'
        f"</head><body>{paragraphs(before)}{links}{paragraphs(after)}<p>Seatline</p></body></html>\n"
    )
