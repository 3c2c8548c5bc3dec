"""Replaces Arabic digits, and the symbols written with them, by the Chinese words that a reader says.

A written number can often be said in more than one way (``110`` as 一百一十 or 幺幺零). Each rule here picks the
reading that its context makes usual, and where nothing makes one usual, a sign stays silent: a wrong guess counts more
errors than none. The choices are argued in docs/normalisation_chinese.md.
"""

import re
from math import gcd

from evalkit.text.chinese_numbers import read_digits, read_quantity

_MOST_DIGITS = 48  # the largest power of ten with a name is 10^44

# It starts where its digits start, gives back nothing that it took, and ends after sixteen groups of three digits, so
# that no digit of a long run is tried in turn.
_NUMBER = r"(?<![0-9])(?>(?:[0-9]{1,3}(?:,[0-9]{3}){1,15}(?![0-9])|[0-9]+)(?:\.[0-9]+)?)"

_LOOKALIKES = str.maketrans({"−": "-", "–": "-", "—": "-", "〜": "~", "∶": ":", "⁄": "/", "・": "·", "•": "·"})
# A dash of punctuation, which is neither a minus nor a range.
_PAUSE = re.compile("(?<![0-9%°年月日号点时分度元—])—+|—+(?![0-9—])")

# Some corpora put a space between all characters, digits included. In 1米8 2米1 the space parts two numbers.
_SPACED_DIGITS = re.compile(r"(?<![0-9])(?<![0-9][米块度秒])[0-9](?: [0-9])+(?![0-9/])")
_SPACE_BESIDE_CHINESE = re.compile(r"\s+(?![0-9a-z])|(?<![0-9a-z])\s+")

# A formula is what leads to a sign of equality; its hyphens are minus signs, and those of what follows negative ones.
_TERM = re.compile(r"(?<![0-9.()+×÷*/-])[0-9.()+×÷*/-]++(?==)")
_SUBTRACTION = re.compile("(?<=[0-9)])-")
_EQUALS = re.compile(r"(?<=[^\W_]|[)%°])(?:(?<![a-z][a-z])=|=(?![a-z][a-z]))(?=[-+(]?[^\W_])")
_PLUS = re.compile(r"(?<=[^\W_]|[)%°])\++|(?<!\+)\+++(?=[^\W_])")
_OPERATOR = re.compile("[=×÷]")
_TIMES = re.compile("(?:(?<=[0-9)])|(?<=[0-9].)|(?<=[0-9]..)|(?<![a-z])(?<=[a-z]))×(?=[0-9(]|[a-z](?![a-z]))")
_LATIN_TIMES = re.compile("(?<![0-9a-z.])(?=[1-9])([0-9.]+)x(?=[1-9][0-9.]*(?![0-9a-wyz]))")
_DIVIDED = re.compile("(?<=[0-9)])÷(?=[0-9(])")

_SCORED = "(?:获胜|战胜|击败|领先|落后|取胜|险胜|大胜|完胜|横扫|淘汰|逆转|战平|打平|力克|不敌|负于|惜败|告负|的?比分)"
_SCORE = re.compile(
    "(?:(?<=比分)|(?<=比例)|(?<=比[分例][为是]))([0-9]+)[:-]([0-9]+)(?![0-9:.-])"
    f"|(?<![0-9:.-])([0-9]{{1,3}})[:-]([0-9]{{1,3}})(?={_SCORED})"
)
_YEAR_AND_MONTH = re.compile("(?<![0-9./-])((?:19|20)[0-9]{2})[-/](0[1-9])(?![0-9./-]|[年届赛学])")
_DATE = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})([-/.])(0?[1-9]|1[0-2])\2(0?[1-9]|[12][0-9]|3[01])(?![0-9]|\2[0-9])")
_TELEPHONE = re.compile(
    r"(?<![0-9])(?:(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}|0[0-9]{2,3}[- ]?[2-9][0-9]{2,3}[- ]?[0-9]{4}"
    r"|[48]00[- ]?[0-9]{3,4}[- ]?[0-9]{3,4})(?![0-9])"
)
_EVENT = re.compile(r"(?<![0-9])([0-9]{1,2})·([0-9]{1,2})(?![0-9])")
_HYPHENATED = re.compile(r"(?<![0-9])[0-9]+(?:-[0-9]+){2,}")
# No range: it falls (3-1), or names a type, as in 737-800.
_NO_RANGE = re.compile(
    "(?<![0-9.:/年月日号点时分-])([0-9]{1,3})-([0-9]{1,3})(?![0-9:/%‰°年月日号点时分米块百千万亿-]|[.][0-9])"
)
_TILDE = re.compile(r"(?<=[\w%°])~(?=-?[0-9])")
_BELOW_ZERO = re.compile(rf"(?<![0-9a-z%°])-(?={_NUMBER}(?:到-?{_NUMBER})?(?:°|度|摄))")
_MINUS = re.compile(r"(?:(?<![\w%°-])|(?<=[是为于到至约达在从]))-(?=[0-9])")
_DASH = re.compile("(?<=[0-9%°年月日号点时分度元])-(?=[0-9])|(?<=°c)-(?=[0-9])")
_CLOCK = re.compile(r"(?<![0-9:.])([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?(?![0-9:])")
_RATIO = re.compile("(?<=[0-9]):(?=[0-9])")
_PER = re.compile("(?<=[里米])/(?=小时|秒)")
_YEAR = re.compile(
    r"(?<![0-9.,])(?:(?:19|20)[0-9]{2}(?=[年届级])|[1-9][0-9]{3}(?<!000)(?=(?:[到至][0-9]{2,4})?年)"
    r"|[89][1-9](?=年(?![级代]))|(?:[6-9][05]|0[05])(?=后))"
)
_VERSION = re.compile(r"(?<![0-9])[0-9]+(?:\.[0-9]+){2,}")
_FRACTION = re.compile(
    r"(?<![0-9./])(?:([0-9]{1,3}) )?([0-9]{1,2})/([1-9][0-9]{0,2})(?![0-9/]|\.[0-9]|[年月日号节]|赛季|学年|财年|小时)"
)
_STROKE = re.compile("(?<=[0-9])/(?=[0-9])")
_PERCENTAGE = re.compile(f"(?:({_NUMBER})到)?({_NUMBER})([%‰])")
_PERCENT_WORD = {"%": "百分之", "‰": "千分之"}
_CURRENCY_SIGN = re.compile("[$€£¥₩₽₹฿]")
_MONEY = re.compile(
    f"(?<![a-z])([a-z]{{0,2}}[$€£¥₩₽₹฿])({_NUMBER}(?![a-z0-9]))(?:到({_NUMBER}(?![a-z0-9])))?"
    "([多余几]?(?:[百千]?万|[百千万]?亿)?[多余]?)(?:美元|美金|港[元币]|欧元|英镑|日元|元)?"
)
_MONEY_BEFORE_SIGN = re.compile(f"({_NUMBER})([$€£])(?![0-9])")
_CURRENCY = {
    "$": "美元", "us$": "美元", "hk$": "港元", "nt$": "新台币", "au$": "澳元", "a$": "澳元", "ca$": "加元",
    "c$": "加元", "sg$": "新元", "s$": "新元", "nz$": "新西兰元", "€": "欧元", "£": "英镑", "¥": "元", "cn¥": "元",
    "jp¥": "日元", "₩": "韩元", "₽": "卢布", "₹": "卢比", "฿": "泰铢",
}  # fmt: skip
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
# What is left after a measure is read digit by digit, as in 1米82 and 9秒58, unless it is counted itself.
_REST = re.compile(rf"(?<=[0-9][米块度秒])[0-9]{{1,2}}(?![0-9.a-z%°/:-]|{_COUNTED.pattern}|[钱号])")
_NAMED_BY_DIGIT = re.compile("[路室房]|医院")
# Days of which something is named, and types of aeroplane.
_DAY_NAME = re.compile(
    "(?<![0-9.])(?:(?:918|77|128|98|97)(?=事变)|(?:51|54|129|53)(?=运动)|51(?=劳动节|国际劳动节|长假|小长假|黄金周)"
    "|(?:38|34)(?=妇女节)|54(?=青年节)|61(?=儿童节)|71(?=建党节)|81(?=建军节)|618(?=大促|购物节|活动|年中|电商)"
    "|(?<=波音)7[0-9]7(?![0-9-]))"
)
# Said digit by digit although no word beside them tells: what starts with 0, emergency and service numbers, a few
# names, years of 1900-2099 and long identifiers; but not round numbers.
_IDENTIFIER = re.compile(
    "0[0-9]+|110|119|911|985|211|996|315|(?:19|20)[0-9]{2}(?<!00)|100[01][0-9](?<!00)|10086|12[13][0-9]{2}(?<!00)"
    "|9[56][0-9]{3}(?<!00)|[0-9]{6,}(?<!000)"
)
_BESIDE_LETTER = re.compile("[a-z][- ]?$")
_TO_NUMBER = re.compile("[到至][0-9]")
_FROM_NUMBER = re.compile("[0-9][到至]$")


def read_aloud(text: str) -> str:
    """Write every ASCII digit of a text as Chinese words, with the signs and units that belong to it.

    Args:
        text: simplified Chinese after NFKC and lower-casing, still with its punctuation.

    Returns:
        The text without any ASCII digit, e.g. ``2024年5月1日下午3:05花了12.5%`` becomes
        二零二四年五月一日下午三点零五分花了百分之十二点五.
    """
    if "—" in text:
        text = _PAUSE.sub("，", text)
    text = text.translate(_LOOKALIKES)
    text = _SPACED_DIGITS.sub(lambda digits: digits[0].replace(" ", ""), text)
    text = _SPACE_BESIDE_CHINESE.sub("", text)
    if "=" in text:
        text = _TERM.sub(lambda term: _SUBTRACTION.sub("减", term[0]), text)
    if "x" in text:
        text = _LATIN_TIMES.sub(r"\1×", text)
    text = _read_signs(_read_names(text))
    text = _CLOCK.sub(_read_clock, text)
    text = _RATIO.sub("比", text)
    text = _YEAR.sub(lambda year: read_digits(year[0]), text)
    text = _VERSION.sub(lambda version: "点".join(map(_quantity, version[0].split("."))), text)
    if "/" in text:
        text = _STROKE.sub(" ", _FRACTION.sub(_read_fraction, text))
    text = _PERCENTAGE.sub(_read_percentage, text)
    if _CURRENCY_SIGN.search(text):
        text = _MONEY.sub(_read_money, text)
        text = _MONEY_BEFORE_SIGN.sub(lambda money: _counted(money[1]) + _CURRENCY[money[2]], text)
    if _OPERATOR.search(text):
        text = _TIMES.sub("乘", _DIVIDED.sub("除以", _EQUALS.sub("等于", text)))
    text = _REST.sub(lambda rest: read_digits(rest[0]), text)
    text = _PLAIN_NUMBER.sub(_read_plain_number, text)
    return _PLUS.sub(lambda signs: "加" * len(signs[0]), text)


def _read_names(text: str) -> str:
    """Read what a hyphen, stroke or dot holds together: dates, telephone numbers, 9·11, 1-2-3."""
    text = _TILDE.sub("到", text)
    text = _DATE.sub(lambda date: f"{read_digits(date[1])}年{_quantity(date[3])}月{_quantity(date[4])}日", text)
    text = _TELEPHONE.sub(lambda number: read_digits(re.sub("[^0-9]", "", number[0])), text)
    if ":" in text or "-" in text:
        text = _SCORE.sub(lambda score: "比".join(filter(None, score.groups())), text)
    if "/" in text or "-" in text:
        text = _YEAR_AND_MONTH.sub(lambda date: f"{read_digits(date[1])}年{_quantity(date[2])}月", text)
    text = _DAY_NAME.sub(lambda name: read_digits(name[0]), text)
    text = _EVENT.sub(lambda event: read_digits(event[1] + event[2]), text)
    if "-" not in text:
        return text
    text = _HYPHENATED.sub(lambda parts: parts[0].replace("-", " "), text)
    return _NO_RANGE.sub(_without_range, text)


def _read_signs(text: str) -> str:
    """Read a hyphen before a number as what it means there, and a stroke between units."""
    text = _BELOW_ZERO.sub("零下", text)
    text = _MINUS.sub("负", text)
    text = _DASH.sub("到", text)
    return _PER.sub("每", text)


def _without_range(numbers: re.Match[str]) -> str:
    low, high = numbers.groups()
    rises = int(low) < int(high)
    is_type = len(low) == 3 and high.endswith("00") and not low.endswith("0")
    return numbers[0] if rises and not is_type else f"{low} {high}"


def _quantity(number: str) -> str:
    whole, point, decimals = number.replace(",", "").partition(".")
    if len(whole) > _MOST_DIGITS:
        return read_digits(whole) + (point and "点" + read_digits(decimals))
    return read_quantity((whole.lstrip("0") or "0") + point + decimals)


def _counted(number: str) -> str:
    return "两" if number == "2" else _quantity(number)


def _read_fraction(fraction: re.Match[str]) -> str:
    """Read what can be a fraction as one; 24/7, 120/80 and 5/1 are two numbers, 9/11 a day."""
    whole, *parts = fraction.groups()
    numerator, denominator = map(int, parts)
    if (numerator, denominator) == (9, 11):
        return f"{whole or ''} 911"
    if (
        (numerator, denominator) == (7, 24)
        or numerator >= denominator
        or (numerator > 9 and gcd(numerator, denominator) > 1)
    ):
        return fraction[0]
    return (f"{_quantity(whole)}又" if whole else "") + f"{_quantity(parts[1])}分之{_quantity(parts[0])}"


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
    sign, amount, most, scale = money.groups()
    if sign not in _CURRENCY:
        return money[0]
    read = _quantity if scale else _counted
    return read(amount) + (f"到{read(most)}" if most else "") + scale + _CURRENCY[sign]


def _read_plain_number(match: re.Match[str]) -> str:
    number, unit = match.groups()
    if unit:
        return (_quantity(number) if "°" in unit else _counted(number)) + _UNIT_WORD[unit]
    before = match.string[max(0, match.start() - 2) : match.start()]
    if number == "2":
        is_count = _TAKES_LIANG.match(match.string, match.end()) and not before.endswith(("第", "初", "老"))
        return "两" if is_count else "二"
    is_said_by_digit = _is_said_by_digit(number, before, match.string, match.end())
    return read_digits(number) if is_said_by_digit else _quantity(number)


def _is_said_by_digit(number: str, before: str, text: str, end: int) -> bool:
    if not number.isdigit() or (len(number) < 3 and number[0] != "0"):
        return False
    if _NAMED_BY_DIGIT.match(text, end):
        return len(number) > 1
    if _COUNTED.match(text, end):
        return number[0] == "0" and len(number) > 1
    beside_letter = _BESIDE_LETTER.search(before) or "a" <= text[end : end + 1] <= "z"
    if beside_letter or before.endswith(("打", "拨")):
        return len(number) > 1 and not number.endswith("00")
    if len(number) == 3 and (_TO_NUMBER.match(text, end) or _FROM_NUMBER.search(before)):
        return number[0] == "0"
    return _IDENTIFIER.fullmatch(number) is not None
