"""Uploads that no client should send, made from a seed: shared with the bench."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from merc import sample

_BOUNDARY = "b0undary"
_NAMES = (
    *("../../evil.wav", "/etc/cron.d/evil", "..", ".", "", "a\0b.wav", "a" * 3000 + ".wav", "con.wav", "C:\\x\\y.wav"),
    *(
        ".ssh",
        "talk.merc",
        ".cache",
        "x.html",
        "\u202egpj.wav",
        "%2e%2e%2fevil.wav",
        "a;b|c`d`.wav",
        "-rf",
        "\U0001f600.mp4",
    ),
)


@dataclass(frozen=True)
class Upload:
    """The body of a request and its headers."""

    kind: str
    body: bytes
    headers: dict[str, str]


def uploads(count: int, *, seed: int = 0) -> Iterator[Upload]:
    """Uploads of every kind in turn."""
    dice = random.Random(seed)
    kinds = (_noise, _damaged, _bomb, _long, _named, _form, _fields, _large)
    for number in range(count):
        yield kinds[number % len(kinds)](dice)


def _upload(kind: str, content: bytes, name: str = "talk.wav", more: bytes = b"") -> Upload:
    quoted = name.encode().replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"")
    head = b'Content-Disposition: form-data; name="file"; filename="' + quoted + b'"\r\n\r\n'
    edge = b"--" + _BOUNDARY.encode()
    body = edge + b"\r\n" + head + content + b"\r\n" + more + edge + b"--\r\n"
    return Upload(kind, body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})


def _wav(seconds: float, stated: float | None = None, rate: int = 8000) -> bytes:
    """Silence as a WAV file, whose header may state another length."""
    data = bytes(2 * round(seconds * rate))
    size = min(2**32 - 40, round(2 * rate * (seconds if stated is None else stated)))
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size
    )
    return head + data


def _noise(dice: random.Random) -> Upload:
    magic = dice.choice([b"", b"RIFF", b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3", b"\0\0\0\x20ftypisom", b"%PDF-1.7"])
    return _upload(
        "noise", magic + dice.randbytes(dice.choice([0, 1, 100, 5000])), f"a.{dice.choice(['wav', 'mp4', 'x'])}"
    )


def _damaged(dice: random.Random) -> Upload:
    content = bytearray(sample.path().read_bytes()[: dice.choice([2000, 60_000, 300_000])])
    for _ in range(dice.choice([1, 20, 500])):
        content[dice.randrange(len(content))] = dice.randrange(256)
    return _upload("damaged film", bytes(content), "talk.mp4")


def _bomb(dice: random.Random) -> Upload:
    """A small file that holds a large one."""
    zeros = bytes(200 << 20) if dice.random() < 0.02 else bytes(4 << 20)
    if dice.random() < 0.5:
        with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("talk.wav", zeros)
        return _upload("bomb", buffer.getvalue(), dice.choice(["talk.zip", "talk.wav", "talk.xlsx"]))
    return _upload("bomb", zlib.compress(zeros, 9), "talk.wav")


def _long(dice: random.Random) -> Upload:
    return _upload(
        "states a huge length", _wav(0.2, stated=dice.choice([1e5, 1e9]), rate=dice.choice([1, 8000, 768_000]))
    )


def _named(dice: random.Random) -> Upload:
    return _upload("odd name", _wav(0.2), dice.choice(_NAMES))


def _form(dice: random.Random) -> Upload:
    """A form that is cut or damaged."""
    whole = _upload("damaged form", _wav(0.2))
    body = bytearray(whole.body)
    if dice.random() < 0.5:
        body = body[: dice.randrange(len(body))]
    else:
        for _ in range(3):
            body[dice.randrange(min(200, len(body)))] = dice.randrange(256)
    kind = dice.choice(
        [whole.headers["Content-Type"], "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300]
    )
    return Upload("damaged form", bytes(body), {"Content-Type": kind})


def _fields(dice: random.Random) -> Upload:
    """Options that are wrong, or far too many."""
    name = dice.choice(
        ["speakers", "beam", "asr", "language", "threshold", "channel", "odd", "path", "threads", "video"]
    )
    value = dice.choice(
        ["-1", "1e99", "NaN", "9" * 400, "/etc/passwd", "\0", "true", "[]", "../..", "x" * 70_000, "\u202e"]
    )
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    return _upload("wrong options", _wav(0.2), more=part.encode() * dice.choice([1, 2, 100]))


def _large(dice: random.Random) -> Upload:
    return _upload("larger than allowed", bytes((1 << 20) + dice.randrange(1 << 20)))
