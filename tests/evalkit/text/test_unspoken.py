"""What every default scheme leaves out: tags, remarks and invisible characters; and what it must not leave out."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import error_rate
from evalkit.text import get_scheme
from evalkit.text.unspoken import remove_unspoken

SPEECH = {
    "zh": "你好",
    "yue": "你好",
    "ja": "こんにちは",
    "ar": "مرحبا",
    "en": "hello",
    "de": "hallo",
    "th": "สวัสดี",
    "hi": "नमस्ते",
}
WITHOUT_OUR_DEFAULT = {"en"}  # its default is Whisper's to the letter

TAGS = [
    "<|zh|>", "<|NEUTRAL|><|Speech|><|withitn|>", "<|0.00|>", "<unk>", "<s>", "</s>", "<SPOKEN_NOISE>", "<noise>",
    "<v-noise>", "<spk2>", "<FIL/>", "<NON/>", "< noise >", '<foreign language="English">', "</foreign>",
    "<noise type='car horn' n=2/>", "<b_aside>", "<0x0A>", "<asr_text>", "<background noise>", "<笑>", "[noise]",
    "[NOISE]", "[Background Noise]", "[BLANK_AUDIO]", "[vocalized-noise]", "[*]", "{COUGH}", "{breath}", "(laughter)",
    "(upbeat music)", "((unintelligible))", "（笑）", "【掌声】", "（音乐）", "[PAD]", "[CLS]", "[SPEAKER_00]:",
    "[Speaker 1]", "[N]", "[+]", "[bgm]", "(BGM)", "[unclear]", "[crosstalk]", "[foreign]",
    "(speaking foreign language)", "[no-speech]",
    "[no speech]", "〈笑い〉", "〈unk〉", "（轻笑）", "【音樂】", "%HESITATION ", "%hes ",
]  # fmt: skip
INVISIBLE = [
    "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\u2066", "\u2069", "\u202a", "\ufeff", "\u00ad",
    "\ufe0f", "\ufe0e", "\U000e0100", "\U000e0067", "\x00", "\x07", "\x1b", "\x7f", "\u0080", "\u034f", "\u3164",
    "\ud83d", "\ufffe", "\ufdd0", "\U0001ffff",
]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("language", SPEECH)
def test_tags_are_no_speech(language: str, tag: str) -> None:
    said = SPEECH[language]
    if language in WITHOUT_OUR_DEFAULT and tag[0] in "{（【〈%":
        pytest.skip("Whisper knows no such brackets")
    for text in (tag + said, f"{said} {tag}", f"{tag}{said}{tag}"):
        assert error_rate([said], [text], language).value == 0, text


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("language", sorted(SPEECH.keys() - WITHOUT_OUR_DEFAULT))
def test_invisible_characters_are_neither_said_nor_seen(language: str, character: str) -> None:
    said = SPEECH[language]
    for text in (character + said, said[:1] + character + said[1:], said + character):
        assert error_rate([said], [text], language).value == 0


@pytest.mark.parametrize(
    "text",
    [
        "a < b", "3<5且7>2", "a<b and c>d", "<红楼梦>", "星巴克(虹桥西航二店)", "[OK]", "(no)", "(sounds good)",
        "(The Sound of Music)", "{1, 2}", "[noise", "noise]", "<unk", "<>", "()", "<3", "e\u0301", "か\u3099",
        "tab\tand\nline", "[A]", "[Start]", "50%",
        "100%hesse", "[EndGame]", "no-break\u00a0space", "\u0915\u093c", "\ue000", "music and noise", "1 <2> 3",
    ],
)  # fmt: skip
def test_what_may_have_been_said_stays(text: str) -> None:
    assert remove_unspoken(text) == text


def test_a_tag_parts_words_and_an_invisible_character_does_not() -> None:
    assert remove_unspoken("good<noise>bye[cough]now") == "good bye now"
    assert remove_unspoken("good\u200bbye\ufeff") == "goodbye"
    assert get_scheme("de").normalize("guten<noise>tag Zu\u00adcker") == "guten tag zucker"


@given(st.text(st.sampled_from("<>|[](){}/=\"' ab\u200b笑"), max_size=30))
def test_only_brackets_and_what_they_hold_are_taken(text: str) -> None:
    rest = remove_unspoken(text)
    assert len(rest) <= len(text)
    remaining = iter(text)
    assert all(character in remaining for character in rest.replace(" ", ""))


LONG_TEXTS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from evalkit.text import get_scheme, scheme_names
pieces = (
    "<", "<|", "<|a", "<a ", "<a b=", '<a b="', "</", "[", "[[", "[a", "(", "{", "（", "\\u200b", "1%", "1 ", "1/",
    "1-", "-1", "1:", "1.", "1,", "a1", "$", "half ", "and a half ", "zero ", "' ", "°", "~1", "1×", "=", "儿", "二个",
    "著", "a'", "1米8", "1块", "é", "י\\"",
)
for language in sys.argv[1:]:
    for name in scheme_names(language):
        scheme = get_scheme(language, name)
        for piece in pieces:
            scheme.units(scheme.normalize(piece * (30_000 // len(piece))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh", "yue", "ja", "ar", "de", "th", "he", "uk"])
def test_a_long_text_of_openings_without_ends_takes_no_long_time(language: str) -> None:
    # What grows with the square of the length takes many seconds for each of these, what grows with it a hundredth.
    subprocess.run([sys.executable, "-c", LONG_TEXTS, language], check=True)
