"""Brings the written forms of one spoken Mandarin word together: script, erhua, fillers, numeral words."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencc import OpenCC

_DIGIT = "零一二三四五六七八九"
# Nobody says 二 before these (as in 二手 or 二次元): there it is a transcriber's spelling of 两.
_COUNT_WORD = "[个只件辆颗棵种]|小时|分钟|公里|公斤"

# Variant characters of one word that OpenCC leaves as they are, or (the last two) sometimes makes.
_VARIANT_OF = dict(zip("妳牠衹〇欸噢喔麽苧", "你它只零诶哦哦么苎", strict=True))
_VARIANT = re.compile(f"[{''.join(_VARIANT_OF)}]")

# 儿 as a syllable of its own is captured; everywhere else it only colours the vowel before it.
_ER = (
    "(^儿|儿(?:子|童|媳|孙|郎|时的|女(?![儿生人])|科(?!技)|歌(?![舞手曲声唱])|戏(?![剧曲])|化(?![妆学工]))"
    "|(?:[女婴幼胎孤少妻男健宠弃患侄孙幺小痴]|新生|早产|畸形|幸运|混血|流浪|私生)儿"
    "|托儿所|养儿|生儿育女|鹿儿岛|台儿庄|吊儿郎当|正儿八经)|儿"
)

# 著 where it is not "to write" or "notable": an old spelling of 着.
_ZHE = "(?<![显名巨原专编译论合卓昭土遗拙])著(?![名作称述书录者])"

# In order: a character without which there is nothing to do, what is replaced, and by what.
_RULES = tuple(
    (character, re.compile(pattern), spelling)
    for character, pattern, spelling in (
        ("嗯", "嗯", ""),
        ("呃", "(?<!打)呃(?!逆)", ""),
        ("儿", _ER, r"\1"),
        ("著", _ZHE, "着"),
        ("瞭", "瞭(?!望)", "了"),
        ("藉", "藉(?=[口此由着助以故机])|(?<=凭)藉", "借"),
        ("甚", "甚(?=么)", "什"),
        ("唉", "唉(?=[呀哟呦唷])", "哎"),
        ("嗳", "嗳(?=[呀哟呦唷])", "哎"),
        ("哎", "(?<=哎)[呦唷]", "哟"),
        ("两", "两(?=[百千万亿])", "二"),
        ("幺", f"幺(?=[{_DIGIT}幺])|(?<=[{_DIGIT}幺])幺(?!儿)", "一"),
        ("二", f"(?<![{_DIGIT}十百千万亿点幺两第初老周期拜])二(?={_COUNT_WORD})", "两"),
        ("百", f"百分之一百(?![{_DIGIT}十点分])", "百分之百"),
    )
)


def simplify(text: str) -> str:
    """Write traditional characters as simplified ones, word by word, without exchanging any word.

    OpenCC's ``t2s`` is asked only if the text holds a character that has a simplified form: simplified text
    passes at the cost of a look-up, and is not taken for traditional (simplified 打坏 would become 打坯).
    """
    converter, traditional = _converter()
    if not traditional.search(text):
        return text
    # A lone surrogate is no character and cannot be encoded for OpenCC.
    return str(converter.convert(text.encode("utf-8", "ignore").decode()))


def unify_spellings(text: str) -> str:
    """Write each spoken word one way; see docs/normalisation_chinese.md for every choice.

    Args:
        text: simplified Chinese without digits, punctuation and white space.
    """
    text = _VARIANT.sub(lambda variant: _VARIANT_OF[variant[0]], text)
    for character, pattern, spelling in _RULES:
        if character in text:
            text = pattern.sub(spelling, text)
    return text


def unify_zhe(text: str) -> str:
    """Write 著 as 着 where it is that word, in simplified text."""
    return re.sub(_ZHE, "着", text) if "著" in text else text


@cache
def _converter() -> "tuple[OpenCC, re.Pattern[str]]":
    from opencc import OpenCC

    converter = OpenCC("t2s")
    ideographs = [chr(code_point) for code_point in range(0x3400, 0xA000)]
    simplified = converter.convert("\n".join(ideographs)).split("\n")
    pairs = zip(ideographs, simplified, strict=True)
    traditional = [character for character, simple in pairs if character != simple]
    return converter, re.compile(f"[{''.join(traditional)}]")
