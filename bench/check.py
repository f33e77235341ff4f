"""Speed of ``merc check`` by stage, and the share of time of each model.

    MERC_DATA=corpora python bench/check.py             33 clips of MELD (dialogue 29, three copies), two processes
    MERC_DATA=corpora python bench/check.py --copies 1  11 clips

Clips per minute are measured in wall time from the first to the last result of a stage, without the start of the
processes. Shares are of CPU time in one process with one thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS
from merc.media import audio
from merc.paths import data_root
from merc.quality.measure import Measurer, Task, clip_task
from merc.quality.options import CheckOptions
from merc.quality.run import check
from merc.quality.utterances import Clip
from merc.speech import vad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    data = data_root()
    with tempfile.TemporaryDirectory() as folder:
        conversations = _copied(data, Path(folder), arguments.copies)
        clips = [str(utterance.meta["media"]) for conversation in conversations for utterance in conversation]
        print(f"{len(clips)} clips, {arguments.workers} processes on {os.cpu_count()} cores\n")
        _rates(conversations, Path(folder) / "check", arguments.workers)
        _shares(clips[: len(clips) // arguments.copies])


def _copied(data: Path, folder: Path, copies: int) -> list[Conversation]:
    """Copies of dialogue 29 of the development split of MELD, each with its own files."""
    [dialogue] = [one for one in CONVERSATIONS["meld"](data / "meld") if one.id == "dev/dia29"]
    result = []
    for number in range(copies):
        target = folder / f"copy{number}"
        target.mkdir()
        utterances = []
        for utterance in dialogue:
            media = shutil.copy(str(utterance.meta["media"]), target)
            meta = {**utterance.meta, "media": str(media)}
            utterances.append(replace(utterance, id=f"{number}/{utterance.id}", meta=meta))
        result.append(replace(dialogue, id=f"{number}/{dialogue.id}", utterances=tuple(utterances)))
    return result


def _rates(conversations: list[Conversation], out: Path, workers: int) -> None:
    seen: dict[str, list[float]] = defaultdict(list)
    began = time.perf_counter()

    def progress(stage: str, done: float, _: float) -> None:
        if done:
            seen[stage].append(time.perf_counter())

    check(conversations, out, options=CheckOptions(workers=workers), progress=progress)
    seconds = time.perf_counter() - began
    print(f"{'stage':26}{'clips':>7}{'clips/min':>16}{'s/clip':>10}")
    total = 0.0
    for stage, moments in seen.items():
        if len(moments) < 4:
            print(f"{stage:26}{len(moments):7}{'too few':>26}")
            continue
        each = (moments[-1] - moments[0]) / (len(moments) - 1)
        total += each * len(moments)
        print(f"{stage:26}{len(moments):7}{60 / each:16.0f}{each:10.2f}")
    count = sum(len(conversation) for conversation in conversations)
    print(f"{'all':26}{count:7}{60 * count / total:16.0f}{total / count:10.2f}   {seconds:.0f} s including the start\n")


def _shares(clips: list[str]) -> None:
    spent: dict[str, float] = defaultdict(float)
    measurer = Measurer()
    for part in ("sound", "faces"):  # loads the models, not timed
        measurer(clip_task(part, Clip(Path(clips[0]), None)))
    measurer(Task("words", texts=("one", "two")))
    for owner, name, what in (
        (measurer._recognizer, "transcribe", "speech recognition"),
        (measurer._voices, "encode", "voice embeddings"),
        (measurer._texts, "encode", "text embeddings"),
        (measurer._observer.detector, "detect", "face detection"),
        (measurer._observer.identity, "encode", "face embeddings"),
        (vad, "detect_speech", "speech detection"),
        (audio, "decode_mono", "audio decoding"),
    ):
        setattr(owner, name, _timed(getattr(owner, name), spent, what))
    began = time.process_time()
    for clip in clips[1:]:
        for part in ("sound", "faces"):
            measurer(clip_task(part, Clip(Path(clip), None)))
        measurer(Task("words", texts=("what was heard", "what was said")))
    total = time.process_time() - began
    spent["video decoding, rest"] = total - sum(spent.values())
    print(f"{'part':26}{'s/clip':>10}{'share':>8}")
    for what, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{what:26}{seconds / (len(clips) - 1):10.3f}{seconds / total:8.1%}")
    faces = spent["face detection"] + spent["face embeddings"]
    print(f"{'all':26}{total / (len(clips) - 1):10.3f}")
    print(
        f"\nspeech recognition {spent['speech recognition'] / total:.0%}, face models {faces / total:.0%} of the time"
    )


def _timed(function: Callable[..., Any], spent: dict[str, float], what: str) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return function(*given, **named)
        finally:
            spent[what] += time.process_time() - began

    return timed


if __name__ == "__main__":
    main()
