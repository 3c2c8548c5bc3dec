"""The Chinese text normaliser that the peers share: ``cn_tn`` of SpeechIO with every option off.

Kimi-Audio-Evalkit, Qwen2-Audio, lmms-eval and UltraEval-Audio all carry a copy of it, so its readings, the
wrong ones included, are part of the error rates they publish. This module gives the same output for the same
input; what a Mandarin speaker would call fair is in ``chinese_default``.
"""

import re
import string
from collections.abc import Callable
from itertools import pairwise

from evalkit.text.chinese_numbers import read_digits, read_quantity

_SCALE = "(?:亿|千万|百万|万|千|百)"
_CURRENCY_UNIT = f"(?:{_SCALE}|{_SCALE}?[元块]|[角毛分])"
_MEASURE_WORD = (
    "(?:[匹张座回场尾条个首阙阵网炮顶丘棵只支袭辆挑担颗壳窠曲墙群腔砣客贯扎捆刀令打手罗坡山岭江溪钟队单双对出口头脚板"
    "跳枝件贴针线管名位身堂课本页家户层丝毫厘分钱两斤铢石钧锱忽寸尺丈里寻常铺程撮勺合升斗盘碗碟叠桶笼盆盒杯斛锅簋"
    "篮罐瓶壶卮盏箩箱煲啖袋钵年月日季刻时周天秒旬纪岁世更夜春夏秋冬代伏辈丸泡粒幢堆根道面片块]|[千毫微]克|[千分厘毫]米)"
)
_DAY = r"\d{1,2}月(?:\d{1,2}[日号])?"
_DATE = re.compile(rf"\D((?:[089]\d|(?:19|20)\d{{2}})年(?:{_DAY})?|{_DAY})")
_MONEY = re.compile(rf"\D(\d+(?:\.\d+)?[多余几]?{_CURRENCY_UNIT}(?:\d{_CURRENCY_UNIT}?)?)")
_MOBILE_NUMBER = re.compile(r"\D((?:\+?86 ?)?1(?:[38]\d|5[0-35-9]|7[678]|9[89])\d{8})\D")
_LANDLINE_NUMBER = re.compile(r"\D((?:0(?:10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7})\D")
_FRACTION = re.compile(r"(?<!\d)(\d+/\d+)")
_PERCENTAGE = re.compile(r"(?<!\d)(\d+(?:\.\d+)?%)")
_COUNTED_NUMBER = re.compile(rf"(?<!\d)(\d+(?:\.\d+)?)[多余几]?{_MEASURE_WORD}")
_IDENTIFIER = re.compile(r"(\d{4,32})")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
_TWO_BETWEEN_LETTERS = re.compile("([a-zA-Z]+二[a-zA-Z]+)")

_DIGIT = re.compile(r"\d")
_YEAR = re.compile(r"\d+(?=年)")
# Two opens a quantity, or a part of one after a unit other than 十, as 两 before every unit but 十.
_LIANG = re.compile("(?<![零一二三四五六七八九十])二(?=[百千万亿兆京垓秭穰沟涧正载])")

_PUNCTUATION = (
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃《》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿"
    "–—‘’‛“”„‟…‧﹏·〈〉" + string.punctuation
)
_PUNCTUATION_TO_SPACE = str.maketrans(_PUNCTUATION, " " * len(_PUNCTUATION))


def cn_tn(text: str) -> str:
    """Read Arabic digits as Chinese and turn punctuation into spaces, exactly as the peers do.

    In this order: dates, money, telephone numbers, fractions, percentages, counted numbers, long digit strings,
    other numbers. Nothing else is changed: letter case, width, traditional characters and fillers stay.
    """
    if _DIGIT.search(text):
        text = _read_numbers(text)
    if "二" in text:
        text = _replace_each(text, _TWO_BETWEEN_LETTERS, lambda name: name.replace("二", "2"))
    return text.lstrip("^").rstrip("$").translate(_PUNCTUATION_TO_SPACE)


def _read_numbers(text: str) -> str:
    # The original frames the text in these two characters, so that a number may open or close it.
    text = f"^{text}$"
    text = _replace_each(text, _DATE, _read_date)
    text = _replace_each(text, _MONEY, lambda money: _NUMBER.sub(lambda number: _quantity(number[0]), money))
    text = _replace_each(text, _MOBILE_NUMBER, lambda number: read_digits(re.sub("[+ ]", "", number)))
    text = _replace_each(text, _LANDLINE_NUMBER, lambda number: read_digits(number.replace("-", "")))
    text = _replace_each(text, _FRACTION, _read_fraction)
    text = text.replace("％", "%")
    text = _replace_each(text, _PERCENTAGE, lambda percentage: "百分之" + _quantity(percentage[:-1]))
    text = _replace_each(text, _COUNTED_NUMBER, _quantity)
    text = _replace_each(text, _IDENTIFIER, read_digits)
    return _replace_each(text, _NUMBER, _quantity)


def _replace_each(text: str, pattern: re.Pattern[str], read: Callable[[str], str]) -> str:
    """Read each string that the pattern finds at the first place where that string occurs, as the original does.

    That is an earlier place than where it was found if a reading left it standing, or the pattern passed over it.
    Where its first two characters have not occurred before, it cannot be, and the text is put together from its parts;
    only from the first doubtful string on is the whole text searched and copied for each.
    """
    parts: list[str] = []
    occurred: set[str] = set()  # the characters before the present place, and the pairs of them
    last = ""
    position = 0
    matches = list(pattern.finditer(text))
    for number, match in enumerate(matches):
        found, between = match[1], text[position : match.start(1)]
        occurred |= _characters_and_pairs(last + between)
        last = between[-1:] or last
        if found[:2] in occurred or found[:2] == last + found[0]:
            text = "".join([*parts, text[position:]])
            for later in matches[number:]:
                text = text.replace(later[1], read(later[1]), 1)
            return text
        reading = read(found)
        occurred |= _characters_and_pairs(last + reading)
        last = reading[-1:] or last
        parts += [between, reading]
        position = match.end(1)
    return "".join(parts) + text[position:]


def _characters_and_pairs(text: str) -> set[str]:
    return {*text, *map("".join, pairwise(text))}


def _quantity(number: str) -> str:
    return _LIANG.sub("两", read_quantity(number))


def _read_date(date: str) -> str:
    date = _YEAR.sub(lambda year: read_digits(year[0]), date)
    return _NUMBER.sub(lambda number: _quantity(number[0]), date)


def _read_fraction(fraction: str) -> str:
    numerator, denominator = fraction.split("/")
    return f"{_quantity(denominator)}分之{_quantity(numerator)}"
