from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import InputError
from merc.server.intake.paths import below


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (root := tmp_path / "root").mkdir()
    (root / "a").mkdir()
    (root / "a" / "talk.wav").write_bytes(b"x")
    (tmp_path / "secret.wav").write_bytes(b"x")
    (root / "out").symlink_to(tmp_path)
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "inside.wav").symlink_to(root / "a" / "talk.wav")
    return root


@pytest.mark.parametrize("given", ["a/talk.wav", "a/../a/talk.wav", "./a//talk.wav", "inside.wav"])
def test_files_below_the_root_are_found(root: Path, given: str) -> None:
    assert below(root, given) == root / "a" / "talk.wav"
    assert below(root, str(root / given)) == root / "a" / "talk.wav"


@pytest.mark.parametrize(
    "given",
    [
        *(
            "../secret.wav",
            "a/../../secret.wav",
            "out/secret.wav",
            "link.wav",
            "/etc/passwd",
            "a",
            "",
            ".",
            "absent.wav",
        ),
        *("a/talk.wav\0.mp3", "x" * 5000, "\ud800", "~/talk.wav", "..", "a/talk.wav/.."),
        *("http://169.254.169.254/latest", "file:///etc/passwd", "concat:a|b"),
    ],
)
def test_nothing_else_is(root: Path, given: str) -> None:
    with pytest.raises(InputError, match="path is '"):
        below(root, given)
