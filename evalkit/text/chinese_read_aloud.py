"""Replaces Arabic digits, and the symbols written with them, by the Chinese words that a reader says.

A written number can often be said in more than one way (``110`` as 一百一十 or 幺幺零). Each rule here picks the
reading that its context makes usual; the choices are argued in docs/normalisation_chinese.md.
"""

import re

from evalkit.text.chinese_numbers import read_digits, read_quantity

# It starts where its digits start, so that a pattern never tries each digit of a long run in turn.
_NUMBER = r"(?<![0-9])(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?"

_LOOKALIKES = str.maketrans({"−": "-", "–": "-", "—": "-", "〜": "~", "∶": ":", "⁄": "/", "・": "·", "•": "·"})
_SPOKEN_SYMBOLS = str.maketrans({"+": "加", "=": "等于", "×": "乘"})

# Some corpora put a space between all characters, digits included.
_SPACED_DIGITS = re.compile(r"(?<![0-9])[0-9](?: [0-9])+(?![0-9])")
_SPACE_BESIDE_CHINESE = re.compile(r"\s+(?![0-9a-z])|(?<![0-9a-z])\s+")

_DATE = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})([-/.])(0?[1-9]|1[0-2])\2(0?[1-9]|[12][0-9]|3[01])(?![0-9]|\2[0-9])")
_TELEPHONE = re.compile(
    r"(?<![0-9])(?:(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}|0[0-9]{2,3}[- ]?[2-9][0-9]{2,3}[- ]?[0-9]{4}"
    r"|[48]00[- ]?[0-9]{3,4}[- ]?[0-9]{3,4})(?![0-9])"
)
_EVENT = re.compile(r"(?<![0-9])([0-9]{1,2})·([0-9]{1,2})(?![0-9])")
_HYPHENATED = re.compile(r"(?<![0-9])[0-9]+(?:-[0-9]+){2,}")
_TILDE = re.compile(r"(?<=[\w%°])~(?=-?[0-9])")
_BELOW_ZERO = re.compile(rf"(?<![0-9a-z%°])-(?={_NUMBER}(?:到-?{_NUMBER})?(?:°|度|摄))")
_MINUS = re.compile(r"(?:(?<![\w%°])|(?<=[是为于到至约达在从]))-(?=[0-9])")
_DASH = re.compile("(?<=[0-9%°年月日号点时分度元])-(?=[0-9])|(?<=°c)-(?=[0-9])")
_CLOCK = re.compile(r"(?<![0-9:.])([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?(?![0-9:])")
_RATIO = re.compile("(?<=[0-9]):(?=[0-9])")
_PER = re.compile("(?<=[里米])/(?=小时|秒)")
_YEAR = re.compile(
    r"(?<![0-9.,])(?:(?:19|20)[0-9]{2}(?=[年届级])|[1-9][0-9]{3}(?<!000)(?=(?:[到至][0-9]{2,4})?年)"
    r"|[89][1-9](?=年(?![级代]))|(?:[6-9][05]|0[05])(?=后))"
)
_VERSION = re.compile(r"(?<![0-9])[0-9]+(?:\.[0-9]+){2,}")
_FRACTION = re.compile("(?<![0-9])([0-9]{1,3})/([0-9]{1,3})(?![0-9])")
_PERCENTAGE = re.compile(f"(?:({_NUMBER})到)?({_NUMBER})([%‰])")
_PERCENT_WORD = {"%": "百分之", "‰": "千分之"}
_MONEY = re.compile(f"(?:us)?([$€£¥])({_NUMBER})((?:[百千]?万|[百千万]?亿)?)元?")
_CURRENCY = {"$": "美元", "€": "欧元", "£": "英镑", "¥": "元"}
# Units of one Latin letter are left alone: "5g" is a network and "3m" a company.
_UNIT_WORD = {
    "km/h": "公里每小时", "m/s": "米每秒", "km2": "平方公里", "cm2": "平方厘米", "m2": "平方米", "m3": "立方米",
    "km": "公里", "cm": "厘米", "mm": "毫米", "kg": "公斤", "mg": "毫克", "ml": "毫升", "hz": "赫兹",
    "°c": "摄氏度", "°f": "华氏度", "°": "度",
}  # fmt: skip
_PLAIN_NUMBER = re.compile(f"({_NUMBER})(?: ?({'|'.join(map(re.escape, _UNIT_WORD))})(?![a-z0-9]))?")

# Before these words the number two is said 两; others, such as 月 楼 号 级, take 二.
_LIANG_WORD = (
    "(?:[个只条张件位名人台辆座间家所天周岁秒点倍种遍回趟场句段首部支枝把块毛角斤克吨米里升口头匹棵颗朵片杯瓶碗盘盒包袋箱套双"
    "对副份批组篇页行步声门顶根面道扇群堆滴顿架艘站集项笔具股串栋幢亩元成]|年(?!级)|次(?!元)|分(?!之)|小时|钟头"
    "|[公海英]里|公[斤顷]|[厘毫千微纳]米|[千毫]克|毫升|平方|平米|立方|[美日韩港欧]元|英镑)"
)
_TAKES_LIANG = re.compile(f"(?:[到、]{_NUMBER})?{_LIANG_WORD}")
_COUNTED = re.compile(f"{_LIANG_WORD}|[十百千万亿多余几月日号度级楼层刻时代届期版卷章节课类队排班折]|人民币")
_NAMED_BY_DIGIT = re.compile("[路室房]")
# Said digit by digit although no word beside them tells: what starts with 0, emergency and service numbers, a few
# names, years of 1900-2099 and long identifiers; but not round numbers.
_IDENTIFIER = re.compile(
    "0[0-9]+|110|119|911|985|211|996|315|(?:19|20)[0-9]{2}(?<!00)|100[01][0-9](?<!00)|10086|12[13][0-9]{2}(?<!00)"
    "|9[56][0-9]{3}(?<!00)|[0-9]{6,}(?<!000)"
)
_BESIDE_LETTER = re.compile("[a-z][- ]?$")


def read_aloud(text: str) -> str:
    """Write every ASCII digit of a text as Chinese words, with the signs and units that belong to it.

    Args:
        text: simplified Chinese after NFKC and lower-casing, still with its punctuation.

    Returns:
        The text without any ASCII digit, e.g. ``2024年5月1日下午3:05花了12.5%`` becomes
        二零二四年五月一日下午三点零五分花了百分之十二点五.
    """
    text = _SPACED_DIGITS.sub(lambda digits: digits[0].replace(" ", ""), text.translate(_LOOKALIKES))
    text = _SPACE_BESIDE_CHINESE.sub("", text)
    text = _read_signs(_read_names(text))
    text = _CLOCK.sub(_read_clock, text)
    text = _RATIO.sub("比", text)
    text = _YEAR.sub(lambda year: read_digits(year[0]), text)
    text = _VERSION.sub(lambda version: "点".join(map(_quantity, version[0].split("."))), text)
    text = _FRACTION.sub(lambda fraction: f"{_quantity(fraction[2])}分之{_quantity(fraction[1])}", text)
    text = _PERCENTAGE.sub(_read_percentage, text)
    text = _MONEY.sub(_read_money, text)
    text = _PLAIN_NUMBER.sub(_read_plain_number, text)
    return text.translate(_SPOKEN_SYMBOLS)


def _read_names(text: str) -> str:
    """Read what a hyphen, stroke or dot holds together: dates, telephone numbers, 9·11, 1-2-3."""
    text = _TILDE.sub("到", text)
    text = _DATE.sub(lambda date: f"{read_digits(date[1])}年{_quantity(date[3])}月{_quantity(date[4])}日", text)
    text = _TELEPHONE.sub(lambda number: read_digits(re.sub("[^0-9]", "", number[0])), text)
    text = _EVENT.sub(lambda event: read_digits(event[1] + event[2]), text)
    return _HYPHENATED.sub(lambda parts: parts[0].replace("-", " "), text)


def _read_signs(text: str) -> str:
    """Read a hyphen before a number as what it means there, and a stroke between units."""
    text = _BELOW_ZERO.sub("零下", text)
    text = _MINUS.sub("负", text)
    text = _DASH.sub("到", text)
    return _PER.sub("每", text)


def _quantity(number: str) -> str:
    whole, point, decimals = number.replace(",", "").partition(".")
    return read_quantity((whole.lstrip("0") or "0") + point + decimals)


def _counted(number: str) -> str:
    return "两" if number == "2" else _quantity(number)


def _read_clock(clock: re.Match[str]) -> str:
    hours, minutes, seconds = clock.groups()
    reading = _counted(hours.removeprefix("0") or "0") + "点"
    for number, unit in ((minutes, "分"), (seconds, "秒")):
        if number and number != "00":
            reading += (read_digits(number) if number[0] == "0" else _quantity(number)) + unit
    return reading


def _read_percentage(percentage: re.Match[str]) -> str:
    low, high, sign = percentage.groups()
    return _PERCENT_WORD[sign] + (f"{_quantity(low)}到" if low else "") + _quantity(high)


def _read_money(money: re.Match[str]) -> str:
    sign, amount, scale = money.groups()
    return (_quantity(amount) + scale if scale else _counted(amount)) + _CURRENCY[sign]


def _read_plain_number(match: re.Match[str]) -> str:
    number, unit = match.groups()
    before, after = match.string[max(0, match.start() - 2) : match.start()], match.string[match.end() :]
    if unit:
        return (_quantity(number) if "°" in unit else _counted(number)) + _UNIT_WORD[unit]
    if number == "2":
        is_count = _TAKES_LIANG.match(after) and not before.endswith(("第", "初", "老"))
        return "两" if is_count else "二"
    return read_digits(number) if _is_said_by_digit(number, before, after) else _quantity(number)


def _is_said_by_digit(number: str, before: str, after: str) -> bool:
    if not number.isdigit() or (len(number) < 3 and number[0] != "0"):
        return False
    if _NAMED_BY_DIGIT.match(after):
        return len(number) > 1
    if _COUNTED.match(after):
        return number[0] == "0" and len(number) > 1
    beside_letter = _BESIDE_LETTER.search(before) or "a" <= after[:1] <= "z"
    if beside_letter or before.endswith(("打", "拨")):
        return len(number) > 1 and not number.endswith("00")
    return _IDENTIFIER.fullmatch(number) is not None
