"""The languages without a module of their own: one word stays one word, and one letter is one letter."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit import error_rate
from evalkit.text import LANGUAGES, get_scheme, normalizer

SAME = [
    ("de", "Straße „Größe“ – 20 %!", "straße größe 20"),
    ("de", "Zucker\u00adrübe", "Zuckerrübe"),
    ("fr", "l’œuvre d'Égypte", "l oeuvre d égypte"),
    ("fr", "lʼété", "l'été"),
    ("it", "un ﬁore", "un fiore"),
    ("nl", "ĳs", "ijs"),
    ("tr", "IŞIK İyi", "ışık iyi"),
    ("az", "BAKI İL", "bakı il"),
    ("ro", "şi ţară", "și țară"),
    ("ru", "Ёлка замо\u0301к", "елка замок"),
    ("uk", "м’я\u0301та", "мʼята"),
    ("uk", "п'ять", "пʼять"),
    ("haw", "Hawai'i", "hawaiʻi"),
    ("he", "שָׁלוֹם", "שלום"),
    ("he", 'צה"ל', "צה״ל"),
    ("yi", "ייִדיש װאָס", "ייִדיש וואָס"),
    ("fa", "كتابي", "کتابی"),
    ("fa", "می\u200cخواهم", "میخواهم"),
    ("fa", "۱۲۳", "123"),
    ("fa", "مَدرسه", "مدرسه"),
    ("ur", "كتاب هے", "کتاب ہے"),
    ("hi", "\u0958लम २०", "क\u093cलम 20"),
    ("hi", "क्\u200dष", "क्ष"),
    ("ml", "അവന്\u200d", "അവൻ"),
    ("bn", "উত্\u200dসব", "উৎসব"),
    ("th", "นํ้า เเม่", "น้ำแม่"),
    ("ko", "\u1112\u1161\u11ab글", "한글"),
    ("vi", "tie\u0302\u0301ng", "tiếng"),
    ("km", "ភាសា\u200bខ្មែរ", "ភាសាខ្មែរ"),
    ("es", "¿Qué (sí)?", "qué sí"),
]
DIFFERENT = [
    ("de", "Maße", "Masse"), ("de", "schon", "schön"), ("en", "ı", "i"), ("de", "I", "ı"), ("uk", "е", "ё"),
    ("be", "ё", "е"), ("hi", "जरा", "ज़रा"), ("hi", "कि", "की"), ("he", "שלום", "שלומ"), ("ur", "بھ", "بہ"),
    ("yi", "אַ", "אָ"), ("sv", "ås", "as"), ("uk", "пять", "п'ять"), ("es", "esta", "está"), ("vi", "ma", "má"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "one", "other"), SAME)
def test_spellings_of_the_same_words(language: str, one: str, other: str) -> None:
    rate = error_rate([other], [one], language)
    assert rate.value == 0
    assert rate.reference_length > 0


@pytest.mark.parametrize(("language", "one", "other"), DIFFERENT)
def test_other_words_stay_apart(language: str, one: str, other: str) -> None:
    assert error_rate([one], [other], language).value > 0


def test_a_vowel_sign_belongs_to_its_word() -> None:
    rate = error_rate(["प्राचीन संस्कृतियों"], ["प्राचीन संस्कृति"], "hi")
    assert (rate.value, rate.reference_length) == (0.5, 2)
    like_whisper = error_rate(["प्राचीन संस्कृतियों"], ["प्राचीन संस्कृति"], "hi", "whisper")
    assert like_whisper.reference_length == 9
    assert normalizer("ta")("வணக்கம் தமிழ்!") == "வணக்கம் தமிழ்"


def test_exact_output() -> None:
    assert normalizer("fr")("L’ALLIANCE, (c'est) [bruit] 1 000 €…") == "l alliance c est 1 000"
    assert normalizer("th")("สวัสดี ครับ") == "สวัสดีครับ"
    assert [get_scheme(code).unit for code in ("bo", "km", "lo", "my", "th", "vi")] == ["character"] * 5 + ["word"]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@settings(max_examples=15)
@given(text=st.text(st.characters(), max_size=40))
def test_every_default_takes_any_text_and_gives_countable_units(language: str, text: str) -> None:
    scheme = get_scheme(language)
    output = scheme.normalize(text)
    assert all(scheme.units(output))
    if language != "en":  # Whisper's scheme keeps lone surrogates
        output.encode()


WORDS = st.lists(
    st.sampled_from(
        [word for pair in SAME for text in pair[1:] for word in (text, *text)] + list(" .'’-(\u200b\u00ad")
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize("language", sorted({language for language, *_ in SAME} | {"ja", "ar", "yue"}))
@settings(max_examples=50)
@given(text=WORDS)
@example(text="שלום!\u05b4")
def test_normalising_twice_changes_nothing(language: str, text: str) -> None:
    normalize = normalizer(language)
    once = normalize(text)
    assert normalize(once) == once
