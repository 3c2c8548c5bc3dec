"""What a language may be called, and what is no language here."""

import pytest

from evalkit.errors import ConfigurationError
from evalkit.text import LANGUAGE_NAMES, LANGUAGES, get_scheme, resolve_language
from evalkit.text.languages import _rows


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("EN", "en"), ("en_us", "en"), ("en-Latn-GB", "en"), ("en_US.UTF-8", "en"), ("eng", "en"), ("English", "en"),
        ("english (United States)", "en"), (" English ", "en"), ("pt-BR", "pt"), ("Brazilian", None),
        ("zh", "zh"), ("zh-CN", "zh"), ("zh-TW", "zh"), ("zh-Hant-TW", "zh"), ("zh_hans", "zh"), ("cmn_hans_cn", "zh"),
        ("zho", "zh"), ("chi", "zh"), ("Chinese", "zh"), ("Mandarin Chinese", "zh"), ("Chinese (Taiwan)", "zh"),
        ("zh-cmn-Hans-CN", "zh"), ("cmn-Hant-HK", "zh"), ("普通话", "zh"), ("Mandarin", "zh"),
        ("yue", "yue"), ("yue_hant_hk", "yue"), ("yue-Hant", "yue"), ("yue-Hans-CN", "yue"), ("zh-HK", "yue"),
        ("zh_hk", "yue"), ("zh-Hant-HK", "yue"), ("zh-Hans-HK", "yue"), ("zh-MO", "yue"), ("zh-yue", "yue"),
        ("zh-yue-Hant-HK", "yue"), ("Cantonese", "yue"), ("Chinese (Hong Kong)", "yue"), ("Chinese, Cantonese", "yue"),
        ("粵語", "yue"), ("ar_eg", "ar"), ("arb", "ar"), ("ja_jp", "ja"), ("jpn", "ja"), ("日本語", "ja"),
        ("jv", "jw"), ("jv_id", "jw"), ("jw", "jw"), ("nb", "no"), ("nb_no", "no"), ("nn", "nn"), ("fil_ph", "tl"),
        ("tl", "tl"), ("iw", "he"), ("in", "id"), ("mo", "ro"), ("Norwegian Bokmål", "no"), ("Norwegian Nynorsk", "nn"),
        ("Haitian Creole", "ht"), ("Farsi", "fa"), ("pes", "fa"), ("ckb_iq", "ckb"), ("sorani-kurdish", "ckb"),
        ("Deutsch", "de"),
        ("zh-nan", "nan"), ("zh-min-nan", "nan"), ("Chinese (Min Nan)", "nan"), ("Hokkien", "nan"), ("nan_tw", "nan"),
        ("zh-wuu", "wuu"), ("wuu", "wuu"), ("Wu Chinese", "wuu"), ("Shanghainese", "wuu"), ("上海话", "wuu"),
        ("zh-hak", None), ("gan", None), ("Hakka", None), ("min", None), ("Chinese (Xiang)", None),
        ("xx", None), ("", None), ("-", None), ("zhx", None),
    ],
)  # fmt: skip
def test_codes_and_names(tag: str, code: str | None) -> None:
    if code is None:
        with pytest.raises(ConfigurationError, match="no normalisation for language") as error:
            resolve_language(tag)
        assert repr(tag) in str(error.value)
        assert "\n" not in str(error.value)
    else:
        assert resolve_language(tag) == code
        assert get_scheme(tag).language == code


def test_a_refused_language_is_answered_with_the_nearest_and_the_known_ones() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'germam', did you mean 'german'\?.*there are af, am,.* yue, zh, zu\)"
    ):
        resolve_language("germam")


def test_every_code_and_name_means_one_language() -> None:
    seen: dict[str, str] = {}
    for code, name, others in _rows():
        for word in {code, name.lower(), *others.lower().split(", ")} - {""}:
            assert seen.setdefault(word, code) == code, word
            assert resolve_language(word) == code
    assert frozenset(LANGUAGE_NAMES) == LANGUAGES
    assert LANGUAGE_NAMES["zh"] == "Mandarin"
    assert len(LANGUAGES) == 121
