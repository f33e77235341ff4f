from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import InputError
from merc.server.settings import Limits, Settings, loopback, period


def test_periods() -> None:
    assert [period(text) for text in ("45s", "30min", "12h", "7d")] == [45, 1800, 43_200, 604_800]


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "0d", "7 weeks", "1e9d", "nan d"])
def test_what_is_not_a_period_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a period: expected a number with s, min, h or d"):
        period(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_need_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --token-file, or --no-token"):
        Settings(tmp_path, "a purpose", host=host)
    assert Settings(tmp_path, "a purpose", host=host, no_token=True).no_token


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_needs_none(host: str, tmp_path: Path) -> None:
    assert loopback(host)
    assert Settings(tmp_path, "a purpose", host=host).host == host


def test_a_purpose_is_required(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="purpose is empty: expected a sentence"):
        Settings(tmp_path, "  ")


def test_limits_are_checked() -> None:
    with pytest.raises(InputError, match="queued is 0: expected at least 1"):
        Limits(queued=0)
    with pytest.raises(InputError, match="duration is nan: expected more than 0"):
        Limits(duration=float("nan"))


def test_a_root_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder: give one that holds recordings"):
        Settings(tmp_path, "a purpose", root=tmp_path / "absent")


def test_clients_choose_among_the_systems_that_are_offered(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "a purpose", systems={"clinic": tmp_path / "fold"})
    assert settings.system_for("clinic") == tmp_path / "fold" and settings.system_for(None) is None
    with pytest.raises(InputError, match="system '/etc' is not offered by this server: expected one of clinic"):
        settings.system_for("/etc")
    with pytest.raises(InputError, match="'clinic' is not offered by this server: it offers none; start it with --sys"):
        Settings(tmp_path, "a purpose").system_for("clinic")
