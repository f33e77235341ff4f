"""Whatever a user may hand over by mistake gets a message that names the file, the problem and the next step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from merc import AnalyzeOptions, MercError, analyze
from merc.pipeline.batch import BatchOptions, run
from tests.pipeline.conftest import ALL_WEIGHTS

RATE = 16000


def merc(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "merc", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def sound(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, RATE)
    return path


def silent_video(path: Path) -> Path:
    """Two seconds of grey picture without sound."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(20):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((120, 160, 3), 90, np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("empty.mp4", b"", "empty.mp4"), ("notes.mp4", b"dear diary, nothing happened today\n" * 50, "notes.mp4")],
)
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = merc("analyze", tmp_path / name, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    done = merc("analyze", tmp_path / "nowhere.wav", "--out", tmp_path / "out")
    assert (done.returncode, "nowhere.wav" in done.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["silence", "music"])
def test_sound_without_speech_says_what_is_needed(tmp_path: Path, weight, own_cache: Path, kind: str) -> None:
    weight(*ALL_WEIGHTS)
    time = np.arange(8 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in (262, 330, 392)) * 0.1 * (1 + np.sin(2 * np.pi * 2 * time))
    recording = sound(tmp_path / "quiet.wav", chord if kind == "music" else np.zeros_like(time))
    with pytest.raises(MercError, match=r"quiet\.wav: no speech was found in 8\.0 s of sound .* --transcript"):
        analyze(recording)


def test_video_without_sound_says_that_it_needs_a_transcript(tmp_path: Path, own_cache: Path) -> None:
    with pytest.raises(MercError, match=r"mute\.mp4: it has video but no sound.* --transcript"):
        analyze(silent_video(tmp_path / "mute.mp4"))


def test_video_without_sound_is_analysed_with_a_transcript(tmp_path: Path, weight, own_cache: Path) -> None:
    weight(*ALL_WEIGHTS)
    (tmp_path / "said.srt").write_text("1\n00:00:00,200 --> 00:00:01,500\nAda: I am so happy about this!\n")
    timeline = analyze(silent_video(tmp_path / "mute.mp4"), transcript=tmp_path / "said.srt")
    ((utterance, prediction),) = timeline
    assert utterance.speaker == "Ada"
    missing = {evidence.modality: evidence.missing for evidence in prediction.evidence}
    assert missing["voice"] == "the recording has no sound"
    assert missing["face"]
    assert missing["text"] is None
    assert any("no sound" in note for note in timeline.notes)


def test_a_damaged_transcript_is_repaired_and_every_repair_is_said(
    tmp_path: Path, short_sample: Path, weight, own_cache: Path
) -> None:
    weight(*ALL_WEIGHTS)
    lines = [
        "start,end,speaker,text",
        "0.5,3.0,Zoë,Café is where we met",
        "-2,1,Zoë,this one begins before the recording",
        "2.0,5.0,Max,this one overlaps the first",
        "900,905,Max,this one is far past the end",
    ]
    (tmp_path / "said.csv").write_bytes("\n".join(lines).encode("latin-1"))
    timeline = analyze(short_sample, transcript=tmp_path / "said.csv")
    notes = " | ".join(timeline.notes)
    assert "Windows-1252" in notes or "Latin-1" in notes
    assert "past the end" in notes or "900" in notes
    assert all(u.segment is None or u.segment.end <= timeline.recording.duration + 0.1 for u in timeline.utterances)
    assert any(u.text == "Café is where we met" for u in timeline.utterances)


def test_an_unknown_format_is_refused_before_any_work(tmp_path: Path, short_sample: Path) -> None:
    done = merc("analyze", short_sample, "--out", tmp_path / "out", "--formats", "jsn")
    assert done.returncode == 2
    assert "did you mean 'json'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, short_sample: Path) -> None:
    (tmp_path / "file").write_text("")
    (row,) = run([short_sample], batch=BatchOptions(out=tmp_path / "file" / "out"))
    assert "cannot write into" in row.reason
    assert "--out" in row.reason


def test_a_bad_recording_in_a_batch_is_a_row_and_the_rest_goes_on(
    tmp_path: Path, short_sample: Path, weight, own_cache: Path
) -> None:
    weight(*ALL_WEIGHTS)
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a-broken.wav").write_bytes(b"RIFF")
    (folder / "b-good.mp4").write_bytes(short_sample.read_bytes())
    rows = list(run([folder], batch=BatchOptions(out=tmp_path / "out", formats=["json"])))
    assert [bool(row.reason) for row in rows] == [True, False]
    assert "a-broken.wav" in rows[0].reason
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b-good.merc"]
    assert rows[1].result.written == (tmp_path / "out" / "b-good.merc" / "timeline.json",)


def test_a_missing_weight_says_which_command_fetches_it(
    tmp_path: Path, short_sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    done = merc("analyze", short_sample, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "merc weights get" in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_language_is_named_and_its_text_withheld(
    tmp_path: Path, short_sample: Path, weight, own_cache: Path
) -> None:
    weight(*ALL_WEIGHTS)
    timeline = analyze(short_sample, options=AnalyzeOptions(language="de"))
    assert any(note.startswith("language: de (set by you); the text model is English-only") for note in timeline.notes)
    for prediction in timeline.predictions:
        text = prediction.evidence[0]
        assert text.probabilities is None
        assert "'de'" in text.missing or "no words" in text.missing
