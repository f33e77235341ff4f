"""Damaged media files and tables, drawn at random, and what a check makes of each without its models."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from merc.conversation import Segment
from merc.corpora import CONVERSATIONS
from merc.errors import MercError
from merc.execution import Processes
from merc.people.faces import FaceObservations, Frame
from merc.quality import measure
from merc.quality.measure import Measured, Measurer, Task, clip_task
from merc.quality.utterances import Clip
from tests.media.making import Film, Sound, record, tone

LIMIT = 10.0  # seconds that no file may take


@dataclass(frozen=True)
class Outcome:
    """What became of one damaged file: how it was damaged, the reason why it was refused (None: it was read)."""

    name: str
    damage: str
    reason: str | None
    seconds: float


class Blind(Measurer):
    """Reads sound and pictures as a check does, and hears and sees nothing: no model is loaded."""

    def __init__(self) -> None:
        super().__init__()
        import merc.features.face
        import merc.media.audio
        import merc.media.video  # noqa: F401  what is loaded now is no file's time

        self.__dict__["_observer"] = SimpleNamespace(observe=_unseen)

    def __call__(self, task: Task) -> Measured:
        """Measure the faces as ever, and of the sound only what decoding gives."""
        if task.part != "sound":
            return super().__call__(task)
        decoded = self._decoder.sound(task.path)
        samples = measure.samples_of(task, decoded.samples)
        return {"seconds": np.array(len(samples) / 16000), "lost": np.array(decoded.lost or "")}


def _unseen(frames: Iterable[Frame]) -> FaceObservations:
    """The frames that could be decoded, without a face."""
    times, none = np.array([frame.time for frame in frames]), np.zeros(0)
    return FaceObservations(*[none] * 10, times)


def make() -> Blind:
    return Blind()


def media(folder: Path, count: int, *, seed: int = 0) -> list[tuple[Path, str]]:
    """Write so many damaged recordings; returns each with the damage done."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = [path.read_bytes() for path in _recordings(folder)]
    suffixes = [path.suffix for path in sorted(folder.glob("whole*"))]
    random, made = np.random.default_rng(seed), []
    for number in range(count):
        kind = int(random.integers(len(whole)))
        damage = list(DAMAGES)[number % len(DAMAGES)]
        path = folder / f"damaged{number:04d}{suffixes[kind]}"
        path.write_bytes(DAMAGES[damage](whole[kind], random))
        made.append((path, damage))
    return made


def _recordings(folder: Path) -> list[Path]:
    film, sound = Film(tuple(n / 25 for n in range(30)), moving=True), tone(300, 1.2, rate=16000)[None]
    record(folder / "whole0.mp4", sound=Sound(sound, rate=16000), film=film)
    record(
        folder / "whole1.mp4",
        sound=Sound(np.repeat(sound, 6, 0), rate=16000, layout="5.1"),
        film=film,
        movflags="faststart",
    )
    record(folder / "whole2.mkv", sound=Sound(sound, rate=16000), film=film)
    record(folder / "whole3.wav", sound=Sound(sound, rate=16000, codec="pcm_s16le"))
    return sorted(folder.glob("whole*"))


def _flipped(data: bytes, random: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    places = random.integers(len(changed), size=int(10 ** random.uniform(0, 3)))
    np.bitwise_xor.at(changed, places, (1 << random.integers(8, size=len(places))).astype(np.uint8))
    return changed.tobytes()


def _boxes(data: bytes, random: np.random.Generator) -> bytes:
    """Spoil the tables of an mp4 or the head of another container, where sizes, counts and times stand."""
    changed = np.frombuffer(data, np.uint8).copy()
    first = data.find(b"moov")
    start, end = (first, min(len(data), first + 1500)) if first >= 0 else (0, min(len(data), 400))
    for place in random.integers(start, end, size=int(random.integers(1, 12))):
        changed[place] = random.choice([0, 1, 127, 128, 255])
    return changed.tobytes()


def _long(data: bytes, random: np.random.Generator) -> bytes:
    """Make the file say that it lasts for ages: the durations in the heads of an mp4, the last bytes of another's."""
    changed, found = bytearray(data), 0
    for head, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        place = -1
        while (place := data.find(head, place + 1)) >= 0:
            changed[place + offset : place + offset + 4] = random.bytes(4) if found % 2 else b"\x7f\xff\xff\xff"
            found += 1
    return bytes(changed) if found else _boxes(data, random)


def _cut(data: bytes, random: np.random.Generator) -> bytes:
    return data[: int(len(data) * random.uniform(0, 1))]


def _hole(data: bytes, random: np.random.Generator) -> bytes:
    first, length = int(random.integers(len(data))), int(random.integers(1, len(data) // 2))
    return (data[:first] + bytes(length) + data[first + length :])[: len(data)]


def _repeated(data: bytes, random: np.random.Generator) -> bytes:
    first, last = sorted(int(place) for place in random.integers(len(data), size=2))
    return data[:last] + data[first:]


def _noise(data: bytes, random: np.random.Generator) -> bytes:
    return bytes(data[: int(random.integers(0, 64))]) + random.bytes(int(random.integers(0, 4000)))


def _text(data: bytes, random: np.random.Generator) -> bytes:
    return b"" if random.random() < 0.3 else b"<html><body>404 not found</body></html>\n" * int(random.integers(1, 50))


DAMAGES: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "bits flipped": _flipped,
    "tables spoilt": _boxes,
    "cut off": _cut,
    "absurd duration": _long,
    "zeros within": _hole,
    "parts repeated": _repeated,
    "noise": _noise,
    "no media": _text,
}


def check_media(made: Sequence[tuple[Path, str]], *, workers: int = 1) -> Iterator[Outcome]:
    """Read the sound and the pictures of each file in processes of their own, as a check does."""
    damage = {str(path): how for path, how in made}
    tasks = [clip_task(part, Clip(path, None)) for path, _ in made for part in ("sound", "faces")]
    with Processes(workers, timeout=LIMIT) as pool:
        before = time.perf_counter()
        for row in pool.map(make, tasks):
            task, now = row.item, time.perf_counter()
            yield Outcome(f"{Path(task.path).name} {task.part}", damage[task.path], row.reason, now - before)
            before = now


def tables(folder: Path, count: int, *, seed: int = 0) -> list[tuple[str, Path, str]]:
    """Write so many damaged corpora: MELD's three tables, or a manifest; returns corpus, root and damage of each."""
    random, made = np.random.default_rng(seed), []
    for number in range(count):
        root = folder / f"{number:04d}"
        root.mkdir(parents=True)
        damage = list(SPOILS)[number % len(SPOILS)]
        if number // len(SPOILS) % 2:
            suffix = ("csv", "jsonl")[int(random.integers(2))]
            (root / f"manifest.{suffix}").write_bytes(SPOILS[damage](_manifest(suffix), random))
            made.append(("manifest", root, damage))
            continue
        for name in ("train", "dev", "test"):
            data = _meld()
            (root / f"{name}_sent_emo.csv").write_bytes(SPOILS[damage](data, random) if name == "dev" else data)
        made.append(("meld", root, damage))
    return made


def _meld() -> bytes:
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    rows = [
        f'{n},"Line, number {n}’s",Ann,joy,positive,{n // 5},{n % 5},1,1,"00:00:01,000","00:00:02,000"\n'
        for n in range(40)
    ]
    return (head + "".join(rows)).encode()


def _manifest(suffix: str) -> bytes:
    rows = [
        {
            "conversation": f"c{n // 5}",
            "utterance": f"u{n}",
            "speaker": "Ann",
            "text": f"Line {n}",
            "start": n,
            "end": n + 1,
        }
        for n in range(40)
    ]
    if suffix == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return (",".join(rows[0]) + "\n" + "".join(",".join(map(str, row.values())) + "\n" for row in rows)).encode()


_ABSURD = (b"-1", b"1e400", b"nan", b"inf", b"99999999999999999999", b"00:99:99,999", b"0x10", "\u0661".encode(), b"")


def _absurd(data: bytes, random: np.random.Generator) -> bytes:
    """Put absurd numbers and times where numbers stood."""
    pieces = data.split(b",")
    for place in random.integers(len(pieces), size=int(random.integers(1, 20))):
        pieces[place] = _ABSURD[int(random.integers(len(_ABSURD)))]
    return b",".join(pieces)


def _encoded(data: bytes, random: np.random.Generator) -> bytes:
    name = ("utf-16", "utf-32", "cp1252", "utf-7", "cp037", "shift_jis")[int(random.integers(6))]
    return data.decode().encode(name, "replace")


SPOILS: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "bits flipped": _flipped,
    "cut off": _cut,
    "absurd numbers": _absurd,
    "another encoding": _encoded,
    "zeros within": _hole,
    "parts repeated": _repeated,
    "noise": _noise,
    "no table": _text,
}


def check_tables(made: Sequence[tuple[str, Path, str]]) -> Iterator[Outcome]:
    """Read each corpus; what is no error of merc is not caught."""
    for corpus, root, damage in made:
        before, reason = time.perf_counter(), None
        try:
            _look_at(corpus, root)
        except MercError as error:
            reason = str(error)
        yield Outcome(f"{corpus} {root.name}", damage, reason, time.perf_counter() - before)


def _look_at(corpus: str, root: Path) -> None:
    for conversation in CONVERSATIONS[corpus](root):
        for utterance in conversation:
            if utterance.segment is not None and not isinstance(utterance.segment, Segment):
                raise TypeError(utterance.id)
