"""Audio decoding: downmix, resampling, timing, damage."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from merc.errors import MediaError, OutputError
from merc.media import audio
from merc.media.audio import Choice, decode_audio, decode_mono
from merc.media.container import decode
from merc.media.samples import RATE, to_float

from .making import Film, Sound, cut, record, spoil, tone

SECONDS = 2.0


def heard(path: Path) -> np.ndarray:
    samples = decode_mono(path).samples
    assert samples.dtype == np.int16 and samples.ndim == 1
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
    assert np.array_equal(decode_audio(path).samples[:, 0], samples)


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
    result = decode_mono(path)
    assert result.channel == name
    frequency, amplitude = frequency_and_amplitude(to_float(result.samples))
    assert (frequency, amplitude) == (pytest.approx(700, abs=1.1), pytest.approx(0.4, rel=0.03))


def test_the_decoded_samples_lie_in_no_file_with_a_name(tmp_path: Path) -> None:
    path, folder = record(tmp_path / "a.wav", sound=Sound(tone(300, 1)[None], codec="pcm_s16le")), tmp_path / "cache"
    folder.mkdir()
    samples = decode_audio(path, Choice(folder=folder)).samples
    assert isinstance(samples, np.memmap) and list(folder.iterdir()) == []
    assert len(samples) == RATE and frequency_and_amplitude(to_float(samples[:, 0]))[0] == pytest.approx(300, abs=1.1)


def test_equal_channels_give_the_left(tmp_path: Path) -> None:
    pair = np.repeat(tone(300, 1)[None], 2, axis=0)
    path = record(tmp_path / "a.wav", sound=Sound(pair, codec="pcm_s16le", layout="stereo"))
    assert decode_mono(path).channel == "left"


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.flac", "flac")])
def test_of_surround_sound_the_centre_is_taken(tmp_path: Path, name: str, codec: str) -> None:
    six = np.stack([tone(200 + 150 * index, SECONDS, amplitude=0.3) for index in range(6)])
    six[3] = tone(60, SECONDS, amplitude=0.3)  # the channel of low frequencies carries nothing else
    path = record(tmp_path / name, sound=Sound(six, codec=codec, layout="5.1"))
    found = decode_mono(path)
    assert found.channel == "centre"
    frequency, amplitude = frequency_and_amplitude(to_float(found.samples))
    assert (frequency, amplitude) == (pytest.approx(500, abs=1.1), pytest.approx(0.3, rel=0.03))


def test_four_channels_are_averaged(tmp_path: Path) -> None:
    four = np.stack([tone(440, SECONDS, amplitude=0.1 * (index + 1)) for index in range(4)])
    path = record(tmp_path / "a.wav", sound=Sound(four, codec="pcm_s16le", layout="quad"))
    found = decode_mono(path)
    assert found.channel == "mean of 4"
    assert frequency_and_amplitude(to_float(found.samples))[1] == pytest.approx(0.25, rel=0.02)


def test_of_eight_coded_channels_the_centre_and_the_mean_of_the_others_are_kept(tmp_path: Path) -> None:
    eight = np.stack([tone(440, SECONDS, amplitude=0.05 * (index + 1)) for index in range(8)])
    decoded = decode_audio(record_packed(tmp_path / "a.m4a", eight))
    assert decoded.names == ("centre", "mean of 6")
    found = [frequency_and_amplitude(to_float(plane)) for plane in decoded.samples.T]
    means = (0.15, 0.05 * (1 + 2 + 5 + 6 + 7 + 8) / 6)  # the channel of low frequencies is in neither
    for (frequency, amplitude), mean in zip(found, means, strict=True):
        assert frequency == pytest.approx(440, abs=1.1) and amplitude == pytest.approx(mean, rel=0.05)


def test_six_channels_without_a_layout_are_six_channels(tmp_path: Path) -> None:
    six = np.stack([tone(200 + 150 * index, SECONDS, amplitude=0.3) for index in range(6)])
    path = record(tmp_path / "a.wav", sound=Sound(six, codec="pcm_s16le", layout="5.1"))
    data = bytearray(path.read_bytes())
    place = data.find(b"fmt ") + 8 + 20  # the channel mask of an extensible header
    data[place : place + 4] = bytes(4)
    path.write_bytes(data)
    decoded = decode_audio(path)
    assert decoded.names == tuple(f"channel {number}" for number in range(1, 7))
    pitches = [frequency_and_amplitude(to_float(plane))[0] for plane in decoded.samples.T]
    assert pitches == pytest.approx([200 + 150 * index for index in range(6)], abs=1.1)
    assert decode_mono(path).channel == "mean of 6"


def test_surround_sound_with_a_silent_centre_is_not_silent(tmp_path: Path) -> None:
    six = np.stack([tone(300, 1, amplitude=0.3)] * 6)
    six[2] = 0
    path = record(tmp_path / "a.flac", sound=Sound(six, codec="flac", layout="5.1"))
    found = decode_mono(path)
    assert found.channel == "mean of 4"
    assert frequency_and_amplitude(to_float(found.samples)) == (
        pytest.approx(300, abs=1.1),
        pytest.approx(0.3, rel=0.02),
    )


@pytest.mark.parametrize(
    ("choice", "name", "pitch"),
    [("left", "left", 200), ("right", "right", 350), ("centre", "centre", 500), ("6", "channel 6", 950)],
)
def test_a_channel_is_taken_by_name_or_number(tmp_path: Path, choice: str, name: str, pitch: float) -> None:
    six = np.stack([tone(200 + 150 * index, 1, amplitude=0.3) for index in range(6)])
    path = record(tmp_path / "a.flac", sound=Sound(six, codec="flac", layout="5.1"))
    decoded = decode_audio(path, Choice(channel=choice))
    assert decoded.names == (name,)
    assert frequency_and_amplitude(to_float(decoded.samples[:, 0]))[0] == pytest.approx(pitch, abs=1.1)
    with pytest.raises(
        MediaError, match=r"a\.flac: has no channel '7'; it has 6: left, right, centre, low freq.* --channel"
    ):
        decode_audio(path, Choice(channel="7"))


@pytest.mark.parametrize(
    "codec",
    ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s64le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw"],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_every_format_of_samples_is_read(tmp_path: Path, codec: str, layout: str) -> None:
    count = 1 if layout == "mono" else 2
    rows = np.stack([tone(440, 1, rate=16000, amplitude=0.5), tone(700, 1, rate=16000, amplitude=0.25)])[:count]
    path = record_format(tmp_path / "a.wav", rows, codec=codec, layout=layout)
    samples = decode_audio(path).samples
    for plane, row in zip(samples.T, rows, strict=True):
        assert np.abs(to_float(plane) - row).max() < 0.03
    assert len(samples) == RATE


def record_format(path: Path, rows: np.ndarray, *, codec: str, layout: str) -> Path:
    """A wav file at 16 kHz in any format of samples; 64-bit integers, which FFmpeg does not write, by hand."""
    if codec != "pcm_s64le":
        return record(path, sound=Sound(rows, rate=RATE, codec=codec, layout=layout))
    data = (rows.T * (2**63 - 1024)).astype("<i8").tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        len(rows),
        RATE,
        8 * RATE * len(rows),
        8 * len(rows),
        64,
    )
    path.write_bytes(header + struct.pack("<4sI", b"data", len(data)) + data)
    return path


def test_samples_that_are_no_numbers_are_silence_and_huge_ones_are_clipped(tmp_path: Path) -> None:
    rows = np.array([[np.nan, np.inf, -np.inf, 1e30, -1e30, 0.5] * 4000], np.float32)
    path = record(tmp_path / "a.wav", sound=Sound(rows, rate=RATE, codec="pcm_f32le"))
    assert decode_audio(path).samples[:6, 0].tolist() == [0, 32767, -32768, 32767, -32768, 16384]


def test_a_track_too_slow_for_speech_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record_format(tmp_path / "a.wav", np.zeros((1, 8000)), codec="pcm_s64le", layout="mono")
    data = bytearray(path.read_bytes())
    data[24:28] = (1).to_bytes(4, "little")
    path.write_bytes(data)
    read: list[bytes] = []

    def counted(context: Any, packet: Any, damage: Any) -> Any:
        read.append(packet)
        return decode(context, packet, damage)

    monkeypatch.setattr(audio, "decode", counted)
    with pytest.raises(MediaError, match=r"a\.wav: its audio has 1 samples per second; expected at least 2000"):
        decode_audio(path)
    assert len(read) <= 1001  # of 8000: such a file may have millions


@pytest.mark.parametrize(("gap", "filled"), [(20.0, True), (3000.0, True), (30 * 86400.0, False)])
def test_a_gap_is_filled_up_to_a_bound_that_no_file_sets(tmp_path: Path, gap: float, filled: bool) -> None:
    sound = tone(440, 1, rate=RATE)[None]
    path = record_gap(tmp_path / "a.mkv", sound, gap)
    decoded = decode_audio(path)
    assert len(decoded.samples) / RATE == pytest.approx(2 + (gap if filled else 0), abs=0.1)
    if filled:
        assert decoded.lost is None
        assert not decoded.samples[2 * RATE : -2 * RATE].any()
    else:
        assert decoded.end == pytest.approx(2, abs=0.1)
        assert decoded.lost is not None and f"gaps of {gap:.0f} s in its time stamps were left out" in decoded.lost


def record_gap(path: Path, sound: np.ndarray, gap: float) -> Path:
    """The same second of sound twice, so many seconds apart by its time stamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        for start in (0.0, 1.0 + gap):
            for first in range(0, sound.shape[1], 1024):
                piece = np.ascontiguousarray(sound[:, first : first + 1024] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = first + round(start * RATE)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_many_gaps_together_have_a_bound_too() -> None:
    clock, block, written = audio._Clock(), np.ones((1, 100), np.float32), 0
    for number in range(1, 40):
        for piece in clock.place(number * 1000.0, block, 100):
            clock.seconds += piece.shape[1] / 100
            written += piece.shape[1]
    assert written / 100 < audio.MOST_SILENCE + 100 and clock.skipped > 30000


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
    result = decode_audio(record(tmp_path / "a.m4a", sound=Sound(tone(440, 1)[None])))
    assert result.lost is not None and "1 of " in result.lost and "audio packets were damaged" in result.lost
    assert len(result.samples) / RATE == pytest.approx(1, abs=0.05)


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
    result = decode_audio(path)
    assert 3 < len(result.samples) / RATE < 8
    assert result.lost is not None
    assert (
        f"a.mp4: the last {10 - len(result.samples) / RATE:.1f} s of 10.0 s of audio could not be decoded"
        in result.lost
    )


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mkv", "aac")])
def test_a_cut_file_without_pictures_too(tmp_path: Path, name: str, codec: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 6 * 48000))
    result = decode_audio(cut(record(tmp_path / name, sound=Sound(noise, codec=codec)), 0.5))
    assert len(result.samples) / RATE == pytest.approx(3, abs=0.7)
    assert result.lost is not None and "s of 6.0 s of audio could not be decoded" in result.lost


def test_damaged_packets_become_silence_and_are_counted(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", sound=Sound(tone(440, 3)[None]), film=Film())
    result = decode_audio(spoil(path, kind="audio", between=(1.0, 1.5)))
    assert len(result.samples) / RATE == pytest.approx(3, abs=0.05)
    assert result.lost is not None and "audio packets were damaged and replaced by silence" in result.lost
    after = to_float(result.samples[:, 0])[int(1.7 * RATE) : int(2.7 * RATE)]
    assert frequency_and_amplitude(after) == (pytest.approx(440, abs=2.1), pytest.approx(0.5, rel=0.03))


def test_a_whole_file_has_lost_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", sound=Sound(tone(440, 1)[None]), film=Film())
    assert decode_audio(path).lost is None


def test_pictures_without_sound_are_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "silent.mp4", film=Film())
    with pytest.raises(MediaError, match=r"silent\.mp4: has no audio; expected an audio stream"):
        decode_audio(path)


def test_a_target_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 1)[None], codec="pcm_s16le"))
    with pytest.raises(OutputError, match=r"nowhere: the decoded sound cannot be stored there"):
        decode_audio(path, Choice(folder=tmp_path / "nowhere"))


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 4)[None], codec="pcm_s16le"))
    told: list[float] = []
    decode_audio(path, on_seconds=told.append)
    assert told == sorted(told) and len(told) in (3, 4) and told[-1] <= 4


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", sound=Sound(tone(440, 1)[None]), film=Film())
    assert decode_audio(path).samples.tobytes() == decode_audio(path).samples.tobytes()
