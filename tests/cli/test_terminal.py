"""Progress on stderr: nothing when quiet, lines in a log, bars on a terminal."""

import io
import sys

from merc.cli import terminal


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_quiet_reports_nothing(capsys):
    with terminal.progress(quiet=True) as report:
        assert report is None
    assert capsys.readouterr().err == ""


def test_a_log_gets_plain_lines_on_stderr_only(capsys):
    with terminal.progress(quiet=False) as report:
        report("decode", 1, 4)
        report("decode", 4, 4)
    written = capsys.readouterr()
    assert written.err == "decode: done in 0.0 min\n"
    assert written.out == ""


def test_a_terminal_gets_a_bar_a_stage(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress(quiet=False) as report:
        report("decode", 1, 4)
        report("speech", 4, 4)
    assert "decode" in screen.getvalue()
    assert "100%" in screen.getvalue()


def test_a_download_shows_sizes(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress(quiet=False, unit="bytes") as report:
        report("mpnet", 2_000_000, 2_000_000)
    assert "2.0/2.0 MB" in screen.getvalue()


def test_a_table_goes_to_stdout(capsys):
    terminal.console(stderr=False).print("plain [not markup] 1")
    assert "1" in capsys.readouterr().out
