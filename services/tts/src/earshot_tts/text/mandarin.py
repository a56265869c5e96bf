"""zh-CN: what is written with digits, signs and foreign units, in characters.

espeak-ng reads "%" and most signs in English whatever the language, so nothing of the kind is left. Words in Latin
letters stay: the voice changes to English for them.
"""

from __future__ import annotations

import re

from earshot_tts.text import mandarin_dates as dates
from earshot_tts.text import mandarin_quantities as quantities
from earshot_tts.text.initials import LETTERS
from earshot_tts.text.mandarin_numbers import cardinal, counted, dialled, spelled, spoken
from earshot_tts.text.mandarin_units import MEASURES, SYMBOLS
from earshot_tts.text.rules import BARE_HOST, rewrite, rule

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<![A-Za-z\d])\.\d+"
_SIGNED = rf"(?:(?<![A-Za-z\d.)])[-+])?(?:{_NUMBER})"
_VULGAR = {"½": "二分之一", "⅓": "三分之一", "⅔": "三分之二", "¼": "四分之一", "¾": "四分之三"}
_HOTLINES = "110|119|120|122|114|12306|12315|12345|10086|10010|10000"
# What stands behind these is read digit by digit.
_NUMBERED = "(?:号码|密码|账号|编号|验证码|尾号|邮编|电话|QQ号)"
_PER = "小时|分钟|秒|天|日|周|月|年|斤|公斤|千克|克|个|人|次|晚|平方米|米|件|升"
_FIRST_CHARACTER = "\u4e00-\u9fff"
_WON = "(?:取胜|获胜|战胜|战平|战和|击败|大胜|完胜|险胜|惜败|不敌|负于|领先|落后|逆转|输给|赢)"


def _web(match: re.Match[str]) -> str:
    return (match["host"] or match["bare"]).removeprefix("www.").replace(".", "点").replace("-", " ")


def _email(match: re.Match[str]) -> str:
    return match[0].replace("@", " 艾特 ").replace(".", "点").replace("_", "下划线")


def _fraction(match: re.Match[str]) -> str:
    words = f"{cardinal(int(match['bottom']))}分之{spoken(match['top'])}"
    return f"{cardinal(int(match['whole']))}又{words}" if match["whole"] else words


def _vulgar(match: re.Match[str]) -> str:
    words = _VULGAR[match["sign"]]
    return f"{spoken(match['whole'])}又{words}" if match["whole"] else words


def _power(match: re.Match[str]) -> str:
    base = match["base"]
    return f"{base if base.isalpha() else spoken(base)}的{spoken(match['power'])}次方"


def _number(match: re.Match[str]) -> str:
    words = spoken(match[0])
    # 二千 and 二万 are understood; 两千 and 两万 are said.
    return f"两{words[1:]}" if words[:2] in {"二千", "二万", "二亿"} else words


def _counted(match: re.Match[str]) -> str:
    return counted(match["number"]) + match["measure"]


_RULES = (
    rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", _email, re.ASCII),
    rule(
        rf"\b(?:https?://(?P<host>[\w.-]+\w)|(?P<bare>{BARE_HOST}))(?::\d+)?(?:[/?#][^\s\u4e00-\u9fff，。]*)?",
        _web,
        re.ASCII,
    ),
    rule(r"\bNo\.?\s?(?=\d)", "第"),
    rule(r"\b(?P<letter>[CF])#", r"\g<letter> sharp", re.ASCII),
    rule(r"(?<!\d)24/7(?!\d)", "全天候"),
    # Scores: what no clock shows, and what is won or lost.
    rule(rf"(?<!\d)(?P<ours>\d{{1,3}})\s?[-:：]\s?(?=\d{{1,3}}\s?{_WON})", r"\g<ours>比"),
    rule(r"(?P<lead>比分(?:是|为|:|：)?\s?\d{1,3})\s?[-:：]\s?(?=\d)", r"\g<lead>比"),
    rule(rf"(?P<base>{_NUMBER}|(?<![A-Za-z])[A-Za-z])\^(?P<power>-?\d+)", _power),
    *dates.RULES,
    *quantities.RULES,
    rule(r"(?<=[A-Za-z\d])(?P<sign>[²³])", lambda m: "的平方" if m["sign"] == "²" else "的立方"),
    rule(rf"(?:(?P<whole>\d+)\s?)?(?P<sign>[{''.join(_VULGAR)}])", _vulgar),
    rule(
        r"(?<![\d/.])(?:(?P<whole>\d{1,3})(?:又|\s+))?(?P<top>\d{1,4}(?:\.\d+)?)/(?P<bottom>[1-9]\d{0,3})(?![\d/])",
        _fraction,
    ),
    rule(r"(?<![\d.])(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?![\d.])", lambda m: dialled(m[0])),
    rule(
        r"(?<![\d.])(?:0\d{2,3}-\d{7,8}|[(（]0\d{2,3}[)）]\s?-?\d{7,8}|[48]00-\d{3}-?\d{4})(?![\d.])",
        lambda m: dialled(m[0]),
    ),
    rule(
        rf"(?P<lead>{_NUMBERED}(?:是|为|[:：])?\s?)(?P<digits>\d{{3,}})(?!\.\d)",
        lambda m: m["lead"] + dialled(m["digits"]),
    ),
    rule(
        rf"(?<=[打拨叫])\s?(?P<number>{_HOTLINES})(?!\d)|(?<!\d)(?P<bare>{_HOTLINES})(?=电话|热线|急救|报警)",
        lambda m: dialled(m[0]),
    ),
    rule(r"(?<=\d)[:：](?=\d)", "比"),
    rule(rf"(?<=\d)\s?[-~～至]\s?(?=-?(?:{_NUMBER})(?![\d-]))", "到"),
    rule(r"(?<!\d)(?P<place>\d{1,3})(?:st|nd|rd|th)(?![A-Za-z])", lambda m: f"第{cardinal(int(m['place']))}"),
    rule(
        r"(?<![\d-])\d{4}(?:[ -]\d{4}){3}(?![\d-])",
        lambda m: "，".join(spelled(part) for part in re.findall(r"\d+", m[0])),
    ),
    rule(r"(?<![\d.,])\d{11,}(?![\d.,])", lambda m: spelled(m[0])),
    rule(r"(?<=[A-Za-z])-(?=\d)", " "),
    rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: "点".join(spoken(part) for part in m[0].split("."))),
    rule(rf"(?<![\d.第])(?P<number>2)\s?(?P<measure>{MEASURES})", _counted),
    rule(r"(?P<room>\d{3,4})(?=号?(?:房间|房|室|教室|航班|次列车|路))", lambda m: dialled(m["room"])),
    rule(_SIGNED, _number),
    rule(rf"(?<=[{_FIRST_CHARACTER}])\s?(?P<sign>[×−÷])\s?(?=[{_FIRST_CHARACTER}])", lambda m: SYMBOLS[m["sign"]]),
    rule(r"(?<=\w)/(?=\w)", "或", re.ASCII),
    rule(rf"(?<=[{_FIRST_CHARACTER}A-Za-z])/(?={_PER})", "每"),
    rule(rf"(?<=[{_FIRST_CHARACTER}])/(?=[{_FIRST_CHARACTER}])", "或"),
    rule(rf"[{re.escape(''.join(SYMBOLS))}]", lambda m: SYMBOLS[m[0]]),
    LETTERS,
    # Blanks part Latin words; between characters they have no meaning.
    rule(rf"(?<=[{_FIRST_CHARACTER}，。！？；：、])\s+(?=[{_FIRST_CHARACTER}])", ""),
    rule(r"\s{2,}", " "),
)
_PLAIN = re.compile(r"[\u4e00-\u9fff，。！？；：、“”‘’（）《》…]*")


def normalise(sentence: str) -> str:
    """Return one cleaned sentence in characters and Latin words."""
    if _PLAIN.fullmatch(sentence):
        return sentence
    return rewrite(sentence, _RULES).strip()
