"""Languages by their English names, for messages to whom gives a name in the place of a code."""

from __future__ import annotations

from difflib import get_close_matches

from merc.errors import InputError

_NAMES = (
    "afrikaans af, albanian sq, amharic am, arabic ar, armenian hy, assamese as, azerbaijani az, bashkir ba, basque "
    "eu, belarusian be, bengali bn, bosnian bs, breton br, bulgarian bg, burmese my, cantonese yue, castilian es, "
    "catalan ca, chinese zh, croatian hr, czech cs, danish da, dutch nl, english en, estonian et, faroese fo, "
    "finnish fi, flemish nl, french fr, galician gl, georgian ka, german de, greek el, gujarati gu, haitian ht, "
    "haitian creole ht, hausa ha, hawaiian haw, hebrew he, hindi hi, hungarian hu, icelandic is, indonesian id, "
    "italian it, japanese ja, javanese jw, kannada kn, kazakh kk, khmer km, korean ko, lao lo, latin la, latvian "
    "lv, letzeburgesch lb, lingala ln, lithuanian lt, luxembourgish lb, macedonian mk, malagasy mg, malay ms, "
    "malayalam ml, maltese mt, mandarin zh, maori mi, marathi mr, moldavian ro, moldovan ro, mongolian mn, myanmar "
    "my, nepali ne, norwegian no, nynorsk nn, occitan oc, panjabi pa, pashto ps, persian fa, polish pl, portuguese "
    "pt, punjabi pa, pushto ps, romanian ro, russian ru, sanskrit sa, serbian sr, shona sn, sindhi sd, sinhala si, "
    "sinhalese si, slovak sk, slovenian sl, somali so, spanish es, sundanese su, swahili sw, swedish sv, tagalog "
    "tl, tajik tg, tamil ta, tatar tt, telugu te, thai th, tibetan bo, turkish tr, turkmen tk, ukrainian uk, urdu "
    "ur, uzbek uz, valencian ca, vietnamese vi, welsh cy, yiddish yi, yoruba yo"
)
CODES = dict(pair.rsplit(" ", 1) for pair in _NAMES.split(", "))
"""ISO 639 code of each language that Whisper knows, by its English names in lower case."""


def check(language: str | None) -> None:
    """Refuse what is not written as a code; a name is answered with its code.

    Args:
        language: ISO 639 code; None: it is detected.

    Raises:
        InputError: for anything but two or three letters.

    Example:
        >>> check("de")
        >>> check("German")
        Traceback (most recent call last):
        merc.errors.InputError: language is 'German': expected an ISO 639 code, for German 'de'
    """
    if language is None or (len(language) in (2, 3) and language.isalpha()):
        return
    raise InputError(f"language is '{language[:40]}': expected an ISO 639 code{_hint(language.strip().lower())}")


def _hint(written: str) -> str:
    first = written.replace("_", "-").partition("-")[0]
    if first in CODES.values():
        return f", here '{first}'"
    near = get_close_matches(written, CODES, 1)
    return f", for {near[0].title()} '{CODES[near[0]]}'" if near else " such as 'en'"
