"""Which files are recordings, what is skipped with a reason, and where results go."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from merc.errors import InputError
from merc.pipeline.recordings import named, result_folders, search, transcript_for
from merc.storage import Address


def sound(path: Path, container: str = "wav", codec: str = "pcm_s16le") -> Path:
    """A tenth of a second of silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def touched(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_folders_are_searched_in_depth_for_recordings_each_once(tmp_path: Path) -> None:
    b, a, _ = touched(tmp_path, "deep/b.WAV", "a.mp4", "notes.txt")
    assert search([tmp_path, a]).recordings == (a, b)


@pytest.mark.parametrize(
    "name", ["00001.MTS", "x.m2ts", "talk.wmv", "x.caf", "x.flv", "x.ogv", "x.w64", "x.ac3", "x.3gp", "x.mka", "x.amr"]
)
def test_recordings_by_their_extension(tmp_path: Path, name: str) -> None:
    (path,) = touched(tmp_path, name)
    assert search([tmp_path]).recordings == (path,)


def test_unknown_files_are_probed_and_the_others_named(tmp_path: Path) -> None:
    odd = sound(tmp_path / "take.0001")
    bare = sound(tmp_path / "recording")
    (tmp_path / "slides.pdf").write_bytes(b"%PDF-1.4 nothing")
    touched(tmp_path, "said.srt", ".hidden.wav", "old.merc/timeline.json", "old.merc/copy.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "inside").symlink_to(tmp_path)
    found = search([tmp_path])
    assert found.recordings == (bare, odd)
    assert found.skipped == (
        (tmp_path / "loop.wav", "not a regular file"),
        (tmp_path / "pipe.wav", "not a regular file"),
        (tmp_path / "slides.pdf", "not a recording"),
    )
    assert found.note() == (
        "skipped 3 of the files: loop.wav (not a regular file), pipe.wav (not a regular file), "
        "slides.pdf (not a recording)"
    )


def test_a_folder_without_recordings_says_what_was_expected(tmp_path: Path) -> None:
    touched(tmp_path, "slides.pdf")
    with pytest.raises(
        InputError, match=r"holds no recordings: expected files ending in \.mp4.*skipped 1 of the files"
    ):
        search([tmp_path])


def test_recordings_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    names = [
        folder.name for folder in result_folders([tmp_path / "a.wav", tmp_path / "a.mp4", tmp_path / "b.mp4"], None)
    ]
    assert names == ["a.wav.merc", "a.mp4.merc", "b.merc"]
    assert result_folders([tmp_path / "a.wav"], tmp_path / "out") == [tmp_path / "out"]
    out = tmp_path / "out"
    several = ["x/a.wav", "x/deep/a.wav", "y/a.wav", "y/a.mp4", "c.wav"]
    assert result_folders([tmp_path / name for name in several], out) == [
        out / "x" / "a.merc",
        out / "x" / "deep" / "a.merc",
        out / "y" / "a.wav.merc",
        out / "y" / "a.mp4.merc",
        out / "c.merc",
    ]


def test_long_names_are_cut_to_what_a_file_system_holds() -> None:
    assert named("talk") == "talk.merc"
    first, second = named("ä" * 127), named("ä" * 126 + "b")
    assert len(first.encode()) <= 255 and first != second and first.endswith(".merc")


def test_each_recording_gets_the_transcript_of_its_name(tmp_path: Path) -> None:
    (said,) = touched(tmp_path, "one.srt")
    assert transcript_for(Path("one.wav"), tmp_path) == said
    for name in ("two.wav", "n" * 251 + ".wav"):
        with pytest.raises(InputError, match="no transcript in"):
            transcript_for(Path(name), tmp_path)


def test_recordings_behind_an_address_are_found_by_their_extensions(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    folder = Address(f"memory://{tmp_path.name}")
    for name in ("a.wav", "b.srt", "c.bin", "day 2/a.wav", ".hidden/d.wav", "a.merc/e.wav"):
        (folder / name).put(tmp_path / "empty")
    found = search([folder])
    assert found.recordings == (folder / "a.wav", folder / "day 2" / "a.wav")
    assert found.note() == "skipped 1 of the files: c.bin (not a recording by its extension)"
    assert search([folder / "c.bin"]).recordings == (folder / "c.bin",)
    assert result_folders(found.recordings, None) == [folder / "a.merc", folder / "day 2" / "a.merc"]
    assert result_folders(found.recordings, tmp_path / "out") == [
        tmp_path / "out/a.merc",
        tmp_path / "out/day 2/a.merc",
    ]


def test_results_cannot_be_written_beside_a_recording_on_the_web(tmp_path: Path) -> None:
    talk = Address("https://example.org/a.mp4")
    assert search([talk]).recordings == (talk,)  # nothing is opened for it
    with pytest.raises(InputError, match=r"nothing can be written to https://example.org/a.mp4: .* with --out"):
        result_folders([talk], None)
    assert result_folders([talk], tmp_path) == [tmp_path]
