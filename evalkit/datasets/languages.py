"""Languages as data sets name them: by a code, or in English."""

import re

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")

# FLEURS' names, and others in use for the languages that have defaults of ours.
_NAMES = {
    "afrikaans": "af", "amharic": "am", "arabic": "ar", "armenian": "hy", "assamese": "as", "asturian": "ast",
    "azerbaijani": "az", "belarusian": "be", "bengali": "bn", "bosnian": "bs", "bulgarian": "bg", "burmese": "my",
    "cantonese": "yue", "cantonese chinese": "yue", "catalan": "ca", "cebuano": "ceb", "chinese": "zh",
    "croatian": "hr", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en", "estonian": "et",
    "filipino": "fil", "finnish": "fi", "french": "fr", "fula": "ff", "galician": "gl", "ganda": "lg",
    "georgian": "ka", "german": "de", "greek": "el", "gujarati": "gu", "hausa": "ha", "hebrew": "he", "hindi": "hi",
    "hungarian": "hu", "icelandic": "is", "igbo": "ig", "indonesian": "id", "irish": "ga", "italian": "it",
    "japanese": "ja", "javanese": "jv", "kabuverdianu": "kea", "kamba": "kam", "kannada": "kn", "kazakh": "kk",
    "khmer": "km", "korean": "ko", "kyrgyz": "ky", "lao": "lo", "latvian": "lv", "lingala": "ln",
    "lithuanian": "lt", "luo": "luo", "luxembourgish": "lb", "macedonian": "mk", "malay": "ms", "malayalam": "ml",
    "maltese": "mt", "mandarin": "zh", "mandarin chinese": "zh", "maori": "mi", "marathi": "mr", "mongolian": "mn",
    "nepali": "ne", "northern-sotho": "nso", "norwegian": "nb", "nyanja": "ny", "occitan": "oc", "oriya": "or",
    "oromo": "om", "pashto": "ps", "persian": "fa", "polish": "pl", "portuguese": "pt", "punjabi": "pa",
    "romanian": "ro", "russian": "ru", "serbian": "sr", "shona": "sn", "sindhi": "sd", "slovak": "sk",
    "slovenian": "sl", "somali": "so", "sorani-kurdish": "ckb", "spanish": "es", "swahili": "sw", "swedish": "sv",
    "tajik": "tg", "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "umbundu": "umb",
    "urdu": "ur", "uzbek": "uz", "vietnamese": "vi", "welsh": "cy", "wolof": "wo", "wu": "wuu", "xhosa": "xh",
    "yoruba": "yo", "zulu": "zu",
}  # fmt: skip


def language_code(name: str) -> str | None:
    """Return the code of a language given by its code or its English name, or None if it is neither.

    >>> language_code("Mandarin Chinese"), language_code("zh-Hant-HK"), language_code("Klingon")
    ('zh', 'zh-Hant-HK', None)
    """
    name = name.strip()
    if known := _NAMES.get(name.lower()):
        return known
    return name if _CODE.fullmatch(name) else None
