"""Control messages, and what is said of those that are none."""

from pathlib import Path

import pytest

from merc.errors import InputError
from merc.media.incoming import Pcm
from merc.pipeline.options import AnalyzeOptions
from merc.server.live.messages import Resume, Start, parsed, problem


def test_start_has_defaults():
    start = parsed('{"type": "start"}')
    assert isinstance(start, Start)
    assert start.pcm == Pcm("s16le", 16000, 1)
    assert start.analysis(AnalyzeOptions(video=False)) == AnalyzeOptions(video=False)


def test_options_reach_the_analysis():
    start = parsed('{"type": "start", "format": "container", "options": {"language": "de", "speakers": 2}}')
    assert isinstance(start, Start)
    assert start.pcm is None
    assert start.analysis(AnalyzeOptions(threads=1)) == AnalyzeOptions(threads=1, language="de", speakers=2)


def test_a_system_predicts_where_the_client_wants_it():
    base = AnalyzeOptions(system=Path("fold"))
    assert parsed('{"type": "start"}').analysis(base).system is None
    assert parsed('{"type": "start", "options": {"system": "clinic"}}').analysis(base).system == Path("fold")


def test_stored_voices_are_compared_where_the_client_wants_it():
    base = AnalyzeOptions(voices=Path("voices.json"))
    assert parsed('{"type": "start"}').analysis(base).voices is None
    assert parsed('{"type": "start", "options": {"voices": true}}').analysis(base).voices == Path("voices.json")


def test_resume_names_the_session():
    assert parsed('{"type": "resume", "session": "x", "last_id": 3}') == Resume(type="resume", session="x", last_id=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid json"),
        ("[]", "expected a control message"),
        ("null", "expected a control message"),
        ('{"type": "begin"}', "expected a control message"),
        ('{"type": "start", "formatt": "s16le"}', "formatt: extra inputs are not permitted"),
        ('{"type": "start", "format": "mp3"}', "format: input should be 's16le', 'f32le' or 'container'"),
        ('{"type": "start", "rate": "fast"}', "rate: input should be a valid integer"),
        ('{"type": "start", "options": {"beam": 5}}', "options.beam: extra inputs"),
        ('{"type": "resume"}', "session: field required"),
        ('{"type": "resume", "session": "x", "last_id": -1}', "last_id"),
        ("[" * 5000, "expected a control message"),
    ],
)
def test_what_is_no_message(text, words):
    with pytest.raises(InputError) as refused:
        parsed(text)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 400


def test_options_out_of_range_are_refused_where_they_are_used():
    with pytest.raises(InputError, match="speakers is 0"):
        parsed('{"type": "start", "options": {"speakers": 0}}').analysis(AnalyzeOptions())
    with pytest.raises(InputError, match="rate is 5"):
        _ = parsed('{"type": "start", "rate": 5}').pcm


def test_a_problem_has_the_members_of_a_problem_document():
    assert problem(429, "too many") == {
        "event": "problem",
        "status": 429,
        "title": "Too Many Requests",
        "detail": "too many",
    }
