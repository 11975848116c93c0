"""The agreement a company, or the operator, begins with until it publishes its own text.

Plain duties of whoever takes calls for others: PIPL articles 21 and 51, GDPR article 28 (3) (b) and 32 (4)
ask for people bound to secrecy. It is a beginning; counsel of the company has the last word.
"""

_ENGLISH = """\
Agreement on secrecy with {name}

1. What I learn in calls for {name} about people and about the company stays secret: names, numbers, \
addresses, what was said, what is written down, and how the company works.

2. I look at a customer only in a call that is in my hands, and only at what the call needs. I know \
that each look in full, with its purpose, is recorded and shown to {name}.

3. I write down nothing outside Seatline: no paper, no photograph, no message, no screenshot, no \
recording of my own. Nobody else sees or hears my screen and my calls.

4. I use nothing I learn for myself or for others, and contact no customer outside the calls I am \
given.

5. I keep my password and my second step to myself, leave no open console behind, and say at once \
when something was seen, lost or sent that should not have been.

6. What I have promised here goes on when I no longer work for {name}, without end.

7. {name} may shut me out at any time. Breaking this agreement can cost me my work and may be a \
crime.
"""
_CHINESE = """\
与{name}的保密协议

一、我在为{name}处理通话时了解到的个人信息和公司信息，包括姓名、号码、地址、通话内\
容、所作记录及公司的运作方式，均予以保密。

二、我只在自己正在处理的通话中查看客户资料，且仅限于该通话所需。我知悉每次查看完整信息及\
其目的都会被记录，并向{name}公开。

三、我不在 Seatline 之外作任何记录：不用纸笔、不拍照、不发消息、不截屏、不自行\
录音。他人不得看到我的屏幕或听到我的通话。

四、我不为自己或他人使用所了解的任何信息，也不在所分配的通话之外联系客户。

五、我妥善保管自己的密码和第二步验证，离开时不留下打开的工作台；如有不应被看到、丢失或发\
出的内容，立即报告。

六、以上承诺在我不再为{name}工作之后继续有效，没有期限。

七、{name}可随时终止我的访问。违反本协议可能导致解除工作关系，并可能构成犯罪。
"""


def text_for(name: str, *, language: str) -> str:
    """Return the standard text; `name` is the company's, `language` begins with `zh` for Chinese."""
    return (_CHINESE if language.startswith("zh") else _ENGLISH).format(name=name)
