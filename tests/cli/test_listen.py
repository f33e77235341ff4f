"""The command: what of its options reaches the stream, what it prints and writes, and how it ends."""

import io
import json
import signal

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from merc import Recognizer
from merc.cli import listen
from merc.cli.app import app
from merc.conversation import Prediction, Recording, Segment, Timeline, Utterance
from merc.errors import InputError, OutputError
from merc.pipeline.live.events import FINAL, PARTIAL, REVISION, Event

RUN = CliRunner()
SAID = Utterance("u0001", "Speaker 1", "[Hello] there.", Segment(1, 2))
JOY = Prediction({"joy": 0.75, "neutral": 0.25}, "joy", 0.75, abstained=False)
END = Timeline(Recording("stream", "0" * 64, 2.5, has_audio=True, has_video=False), (SAID,), (JOY,))


@pytest.fixture
def heard(monkeypatch):
    """The blocks that a stream is fed with, and the options of its recognizer; it gives three events at the end."""
    blocks, options = [], []

    class Stream:
        def __init__(self, deliver):
            self.deliver = deliver

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def feed(self, block):
            blocks.append(block)

        def finish(self):
            self.deliver(Event(1, PARTIAL, SAID, None, 1.5))
            self.deliver(Event(2, FINAL, SAID, JOY, 2.5))
            self.deliver(Event(3, REVISION, SAID, JOY, 2.5))

        def timeline(self):
            return END

    def open_stream(self, deliver, **_):
        options.append(self.options)
        return Stream(deliver)

    monkeypatch.setattr(Recognizer, "open_stream", open_stream)
    return blocks, options


RAW = (np.arange(3200) % 100).astype("<i2").tobytes()


def test_raw_samples_from_standard_input(heard):
    found = RUN.invoke(app, ["listen", "-", "--pcm", "s16le", "--language", "en", "--speakers", "2"], input=RAW)
    assert found.exit_code == 0, found.output
    assert sum(map(len, heard[0])) == 3200
    assert (heard[1][0].language, heard[1][0].speakers, heard[1][0].video) == ("en", 2, False)
    assert "0:01  Speaker 1: [Hello] there.  [joy 0.75]\n" in found.stdout
    assert "0:01  Speaker 1 (another speaker): [Hello] there." in found.stdout
    assert "1 utterance" in found.stdout


def test_json_lines_end_with_the_timeline(heard):
    found = RUN.invoke(app, ["listen", "-", "--pcm", "s16le", "--json"], input=RAW)
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["partial", "final", "revision", "end"]
    assert lines[-1]["timeline"]["utterances"][0]["label"] == "joy"


def test_results_and_sound_are_written_and_never_over_something(heard, tmp_path):
    call = ["listen", "-", "--pcm", "s16le", "-q", "--out", str(tmp_path / "r"), "--record", str(tmp_path / "a.wav")]
    assert RUN.invoke(app, [*call, "--formats", "json,srt"], input=RAW).exit_code == 0
    assert sorted(one.name for one in (tmp_path / "r").glob("timeline.*")) == ["timeline.json", "timeline.srt"]
    assert len(soundfile.read(tmp_path / "a.wav")[0]) == 3200
    again = RUN.invoke(app, call, input=RAW)
    assert isinstance(again.exception, InputError) and "exists and is not overwritten" in str(again.exception)


def test_the_offline_analysis_replaces_the_result(heard, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Recognizer, "analyze", lambda self, path: seen.append(len(soundfile.read(path)[0])) or END)
    assert RUN.invoke(app, ["listen", "-", "--pcm", "s16le", "--then-analyze"], input=RAW).exit_code == 0
    assert seen == [3200]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "nowhere.wav: No such file"),
        (["-", "--rate", "8000"], "--rate and --channels are of raw samples"),
        (["-", "--microphone", "1"], "--microphone and the source '-': give one of them"),
        (["--pcm", "s16le"], "--pcm is for sound that is piped in"),
        (["-", "--pcm", "aac"], "pcm is 'aac': expected one of s16le, f32le"),
        (["-", "--formats", "doc"], "unknown"),
        (["-", "--system", "nowhere"], "system 'nowhere': no trained run; expected the folder that 'merc train"),
        (["-"], "standard input: not a container"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_words(heard, arguments, message):
    found = RUN.invoke(app, ["listen", *arguments], input=b"hello")
    assert message in str(found.exception)


def test_ctrl_c_ends_the_input_and_what_was_said_is_kept(heard, capsys):
    def blocks():
        yield np.zeros(10, np.float32)
        signal.raise_signal(signal.SIGINT)
        yield np.zeros(10, np.float32)

    class Slow:
        fed = 0
        finished = False

        def feed(self, block):
            self.fed += 1

        def finish(self):
            self.finished = True

    stream, before = Slow(), signal.getsignal(signal.SIGINT)
    listen._feed(stream, blocks())
    assert (stream.fed, stream.finished) == (1, True)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_within_a_step_waits_for_its_end(heard):
    steps = []

    class Step:
        def feed(self, block):
            signal.raise_signal(signal.SIGINT)
            steps.append("whole")

        def finish(self):
            steps.append("finished")

    listen._feed(Step(), iter([np.zeros(1), np.zeros(1)]))
    assert steps == ["whole", "finished"]


def test_a_container_on_standard_input(heard):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16000, np.float32), 16000, format="OGG", subtype="OPUS")
    found = RUN.invoke(app, ["listen", "-", "-q"], input=file.getvalue())
    assert found.exit_code == 0, found.output
    assert sum(map(len, heard[0])) == pytest.approx(16000, abs=700)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_heard(heard, tmp_path):
    (tmp_path / "file").write_text("")
    found = RUN.invoke(app, ["listen", "-", "--pcm", "s16le", "--out", str(tmp_path / "file" / "r")], input=RAW)
    assert isinstance(found.exception, OutputError) and "cannot write into" in str(found.exception)
    assert not heard[0]
