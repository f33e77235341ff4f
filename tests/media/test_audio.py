"""Audio decoding: downmix, resampling, timing, damage."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from merc.errors import MediaError, OutputError
from merc.media import audio
from merc.media.audio import RATE, decode_audio, read_audio, release, to_float
from merc.media.container import decode

from .making import Film, Sound, cut, record, spoil, tone

SECONDS = 2.0


def heard(path: Path) -> np.ndarray:
    target = path.with_suffix(".npy")
    result = decode_audio(path, target)
    samples = read_audio(target)
    assert samples.dtype == np.int16 and samples.ndim == 1
    assert result.seconds == len(samples) / RATE
    return to_float(samples)


def frequency_and_amplitude(samples: np.ndarray) -> tuple[float, float]:
    """Of the strongest tone, from the middle of a signal."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(spectrum.argmax()) * RATE / len(middle), float(np.sqrt(2 * np.mean(middle**2)))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 44100),
        ("b.wav", "pcm_s24le", 48000),
        ("c.wav", "pcm_u8", 16000),
        ("d.wav", "pcm_f32le", 22050),
        ("e.wav", "pcm_s16le", 8000),
        ("a.mp3", "libmp3lame", 44100),
        ("b.mp3", "libmp3lame", 16000),
        ("a.flac", "flac", 44100),
        ("a.m4a", "aac", 44100),
        ("b.m4a", "alac", 48000),
        ("a.ogg", "libopus", 48000),
        ("b.ogg", "flac", 48000),
        ("a.opus", "libopus", 48000),
        ("a.webm", "libopus", 48000),
        ("a.mkv", "ac3", 48000),
        ("a.mov", "pcm_s16le", 48000),
        ("a.avi", "libmp3lame", 48000),
        ("a.mp4", "aac", 32000),
    ],
)
def test_a_tone_keeps_pitch_loudness_and_length(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    sound = Sound(tone(440, SECONDS, rate=rate)[None], rate=rate, codec=codec)
    samples = heard(record(tmp_path / name, sound=sound))
    frequency, amplitude = frequency_and_amplitude(samples)
    assert frequency == pytest.approx(440, abs=1.1)
    scale = 0.95 if codec == "libmp3lame" else 1.0  # LAME lowers the level by 5 % when it encodes
    assert amplitude == pytest.approx(0.5 * scale, rel=0.03)
    assert len(samples) / RATE == pytest.approx(SECONDS, abs=0.05)


def test_vorbis(tmp_path: Path) -> None:
    pair = np.repeat(tone(440, SECONDS)[None], 2, axis=0)  # FFmpeg's own Vorbis encoder takes two channels only
    path = record(tmp_path / "a.ogg", sound=Sound(pair, codec="vorbis", layout="stereo"))
    frequency, amplitude = frequency_and_amplitude(heard(path))
    assert (frequency, amplitude) == (pytest.approx(440, abs=1.1), pytest.approx(0.5, rel=0.1))


def test_16_khz_mono_is_kept_bit_for_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 2 * RATE).astype(np.int16)
    path = record(tmp_path / "a.wav", sound=Sound(samples[None] / 32768, rate=RATE, codec="pcm_s16le"))
    decode_audio(path, tmp_path / "a.npy")
    assert np.array_equal(read_audio(tmp_path / "a.npy"), samples)


def test_the_streamed_resampler_equals_the_whole_at_once(tmp_path: Path) -> None:
    import soxr

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 44100)
    path = record(tmp_path / "a.wav", sound=Sound(noise[None], rate=44100, codec="pcm_f32le"))
    whole = soxr.resample(noise.astype(np.float32), 44100, RATE, quality="HQ")
    samples = heard(path)
    assert len(samples) == len(whole)
    assert np.abs(samples - whole).max() < 1e-4


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
@pytest.mark.parametrize(("loud", "name"), [(0, "left"), (1, "right")])
def test_of_two_channels_the_louder_is_taken(tmp_path: Path, codec: str, loud: int, name: str) -> None:
    pair = np.stack([tone(300, SECONDS, amplitude=0.1)] * 2)
    pair[loud] = tone(700, SECONDS, amplitude=0.4)
    pair[1 - loud, :4800] = 0.9  # loud for a moment only: the whole file counts
    suffix = "wav" if codec == "pcm_s16le" else "m4a"
    path = record(tmp_path / f"a.{suffix}", sound=Sound(pair, codec=codec, layout="stereo"))
    result = decode_audio(path, tmp_path / "a.npy")
    assert result.channel == f"louder of 2 ({name})"
    frequency, amplitude = frequency_and_amplitude(to_float(read_audio(tmp_path / "a.npy")))
    assert (frequency, amplitude) == (pytest.approx(700, abs=1.1), pytest.approx(0.4, rel=0.03))
    assert [file.name for file in tmp_path.iterdir() if "part" in file.name] == []


def test_parts_of_other_processes_are_left_alone_until_they_are_abandoned(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(300, 1)[None], codec="pcm_s16le"))
    running, abandoned = tmp_path / "a.npy.1.channel0.part", tmp_path / "a.npy.2.channel0.part"
    for part in (running, abandoned):
        part.write_bytes(b"another process writes here")
    os.utime(abandoned, (0, 0))
    decode_audio(path, tmp_path / "a.npy")
    assert running.read_bytes() == b"another process writes here"
    assert not abandoned.exists()
    assert len(read_audio(tmp_path / "a.npy")) == RATE


def test_equal_channels_give_the_left(tmp_path: Path) -> None:
    pair = np.repeat(tone(300, 1)[None], 2, axis=0)
    path = record(tmp_path / "a.wav", sound=Sound(pair, codec="pcm_s16le", layout="stereo"))
    assert decode_audio(path, tmp_path / "a.npy").channel == "louder of 2 (left)"


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.flac", "flac")])
def test_of_six_channels_the_third_is_taken(tmp_path: Path, name: str, codec: str) -> None:
    six = np.stack([tone(200 + 150 * index, SECONDS, amplitude=0.3) for index in range(6)])
    six[3] = tone(60, SECONDS, amplitude=0.3)  # the channel of low frequencies carries nothing else
    path = record(tmp_path / name, sound=Sound(six, codec=codec, layout="5.1"))
    assert decode_audio(path, tmp_path / "a.npy").channel == "third of 6"
    frequency, amplitude = frequency_and_amplitude(to_float(read_audio(tmp_path / "a.npy")))
    assert (frequency, amplitude) == (pytest.approx(500, abs=1.1), pytest.approx(0.3, rel=0.03))


def test_four_channels_are_averaged(tmp_path: Path) -> None:
    four = np.stack([tone(440, SECONDS, amplitude=0.1 * (index + 1)) for index in range(4)])
    path = record(tmp_path / "a.wav", sound=Sound(four, codec="pcm_s16le", layout="quad"))
    assert decode_audio(path, tmp_path / "a.npy").channel == "mean of 4"
    assert frequency_and_amplitude(to_float(read_audio(tmp_path / "a.npy")))[1] == pytest.approx(0.25, rel=0.02)


def test_eight_channels_of_a_coded_recording_are_averaged(tmp_path: Path) -> None:
    eight = np.stack([tone(440, SECONDS, amplitude=0.05 * (index + 1)) for index in range(8)])
    path = record_packed(tmp_path / "a.m4a", eight)
    assert decode_audio(path, tmp_path / "a.npy").channel == "mean of 8"
    samples = to_float(read_audio(tmp_path / "a.npy"))
    frequency, amplitude = frequency_and_amplitude(samples)
    # the channel of low frequencies has lost the tone, the others keep it
    assert frequency == pytest.approx(440, abs=1.1) and 0.18 < amplitude < 0.24


def record_packed(path: Path, samples: np.ndarray) -> Path:
    """Eight channels as AAC; PyAV cannot write so many planes itself, so that the samples are given interleaved."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="7.1")
        for first in range(0, samples.shape[1], 1024):
            piece = np.ascontiguousarray(samples[:, first : first + 1024].T, np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="7.1")
            frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_frame_of_too_many_planes_is_damage_and_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wild:
        """Stands for what a damaged packet decodes to; whoever asks for its samples fails."""

        format = SimpleNamespace(is_planar=True, name="fltp")
        layout = SimpleNamespace(nb_channels=13)
        pts, samples, sample_rate = 0, 1024, 48000

    def damaged(context: object, packet: object, damage: object) -> list[object]:
        seen.append(packet)
        frames = list(decode(context, packet, damage))
        return [Wild(), *frames] if len(seen) == 3 else frames

    seen: list[object] = []
    monkeypatch.setattr(audio, "decode", damaged)
    result = decode_audio(record(tmp_path / "a.m4a", sound=Sound(tone(440, 1)[None])), tmp_path / "a.npy")
    assert result.lost is not None and "1 of " in result.lost and "audio packets were damaged" in result.lost
    assert result.seconds == pytest.approx(1, abs=0.05)


def onset(samples: np.ndarray) -> float:
    return int(np.argmax(np.abs(samples) > 0.1)) / RATE


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_starts_late_is_led_by_silence(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / name, sound=Sound(tone(440, 1)[None], start=0.7), film=Film())
    samples = heard(path)
    assert onset(samples) == pytest.approx(0.7, abs=0.03)
    assert len(samples) / RATE == pytest.approx(1.7, abs=0.05)


def test_a_recording_that_starts_at_another_time_starts_at_zero(tmp_path: Path) -> None:
    film = Film(times=[5 + n / 25 for n in range(25)])
    path = record(tmp_path / "a.mkv", sound=Sound(tone(440, 1)[None], start=5.2), film=film)
    assert onset(heard(path)) == pytest.approx(0.2, abs=0.03)


def test_a_cut_file_is_decoded_as_far_as_it_goes(tmp_path: Path) -> None:
    film = Film(times=[n / 25 for n in range(250)])
    sound = Sound(tone(440, 10)[None])
    path = cut(record(tmp_path / "a.mp4", sound=sound, film=film, movflags="faststart"), 0.6)
    result = decode_audio(path, tmp_path / "a.npy")
    assert 3 < result.seconds < 8
    assert result.lost is not None
    assert f"a.mp4: the last {10 - result.seconds:.1f} s of 10.0 s of audio could not be decoded" in result.lost


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mkv", "aac")])
def test_a_cut_file_without_pictures_too(tmp_path: Path, name: str, codec: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 6 * 48000))
    result = decode_audio(cut(record(tmp_path / name, sound=Sound(noise, codec=codec)), 0.5), tmp_path / "a.npy")
    assert result.seconds == pytest.approx(3, abs=0.7)
    assert result.lost is not None and "s of 6.0 s of audio could not be decoded" in result.lost


def test_damaged_packets_become_silence_and_are_counted(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", sound=Sound(tone(440, 3)[None]), film=Film())
    result = decode_audio(spoil(path, kind="audio", between=(1.0, 1.5)), tmp_path / "a.npy")
    assert result.seconds == pytest.approx(3, abs=0.05)
    assert result.lost is not None and "audio packets were damaged and replaced by silence" in result.lost
    after = to_float(read_audio(tmp_path / "a.npy"))[int(1.7 * RATE) : int(2.7 * RATE)]
    assert frequency_and_amplitude(after) == (pytest.approx(440, abs=2.1), pytest.approx(0.5, rel=0.03))


def test_a_whole_file_has_lost_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", sound=Sound(tone(440, 1)[None]), film=Film())
    assert decode_audio(path, tmp_path / "a.npy").lost is None


def test_pictures_without_sound_are_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "silent.mp4", film=Film())
    with pytest.raises(MediaError, match=r"silent\.mp4: has no audio; expected an audio stream"):
        decode_audio(path, tmp_path / "a.npy")
    assert not (tmp_path / "a.npy").exists()


def test_a_target_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 1)[None], codec="pcm_s16le"))
    with pytest.raises(OutputError, match=r"a\.npy: cannot be written"):
        decode_audio(path, tmp_path / "nowhere" / "a.npy")


def test_reading_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_text("no")
    with pytest.raises(MediaError, match="not decoded audio"):
        read_audio(tmp_path / "a.npy")


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 4)[None], codec="pcm_s16le"))
    told: list[float] = []
    decode_audio(path, tmp_path / "a.npy", on_seconds=told.append)
    assert told == sorted(told) and len(told) in (3, 4) and told[-1] <= 4


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", sound=Sound(tone(440, 1)[None]), film=Film())
    for name in ("a.npy", "b.npy"):
        decode_audio(path, tmp_path / name)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_to_float_stays_below_one() -> None:
    ends = to_float(np.array([-32768, 0, 32767], np.int16))
    assert ends.dtype == np.float32 and ends[0] == -1 and ends[1] == 0 and 0.9999 < ends[2] < 1


def test_released_samples_are_read_again_on_use(tmp_path: Path) -> None:
    np.save(tmp_path / "sound.npy", np.arange(-20000, 20000, dtype=np.int16))
    samples = read_audio(tmp_path / "sound.npy")
    before = np.array(samples)
    release(samples)
    np.testing.assert_array_equal(samples, before)
    release(before)
