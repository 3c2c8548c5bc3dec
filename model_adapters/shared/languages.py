"""Codes of languages under which a recogniser that does not know a code may know the language."""

# By ISO 639-3 the members of macrolanguages whose own codes few recognisers know; and a renamed one.
_WIDER = {
    **dict.fromkeys(("cdo", "cmn", "gan", "hak", "hsn", "nan", "wuu", "yue"), "zh"),
    **dict.fromkeys(("apc", "ajp", "arb", "ary", "arz"), "ar"),
    **dict.fromkeys(("nb", "nn"), "no"),
    "fil": "tl",
}


def wider_codes(code: str) -> list[str]:
    """Return codes to try in place of one, nearest first: without region and script, then that of the macrolanguage."""
    base = code.replace("_", "-").partition("-")[0].lower()
    codes = [base, _WIDER.get(base, "")]
    return [other for other in codes if other and other != code]
