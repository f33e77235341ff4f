"""Languages by name are answered with their code."""

from __future__ import annotations

import pytest

from merc.errors import InputError
from merc.pipeline.options import AnalyzeOptions
from merc.quality.options import CheckOptions
from merc.speech import languages


def test_the_names_are_those_of_whisper() -> None:
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    assert languages.CODES == TO_LANGUAGE_CODE


@pytest.mark.parametrize("name", sorted(languages.CODES))
def test_each_english_name_has_its_code(name: str) -> None:
    for written in (name, name.title(), f" {name.upper()}"):
        if not (len(written) in (2, 3) and written.isalpha()):  # "lao" may be a code
            with pytest.raises(InputError, match=f", for {name.title()} '{languages.CODES[name]}'$"):
                languages.check(written)


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("germann", "for German 'de'"),
        ("en-US", "here 'en'"),
        ("pt_BR", "here 'pt'"),
        ("xq7", "such as 'en'"),
        ("", "such as 'en'"),
    ],
)
def test_what_is_nearly_a_code_or_a_name(written: str, end: str) -> None:
    with pytest.raises(InputError, match=f"{end}$"):
        languages.check(written)


@pytest.mark.parametrize("options", [AnalyzeOptions, CheckOptions])
def test_analysis_and_check_ask_for_a_code(options: type) -> None:
    options(language="de")
    with pytest.raises(InputError, match="language is 'German': expected an ISO 639 code, for German 'de'"):
        options(language="German")
