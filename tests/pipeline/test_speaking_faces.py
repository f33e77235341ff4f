"""Faces that speak, from the bundled sample: an open mouth is no expression."""

from __future__ import annotations

from pathlib import Path

import av

from merc import analyze, sample


def test_a_mouth_that_speaks_does_not_pass_for_surprise(tmp_path: Path, weight, own_cache: Path) -> None:
    weight("mpnet", "mtcnn", "facenet")
    silent = tmp_path / "silent.mp4"
    with av.open(str(sample.path())) as source, av.open(str(silent), "w") as out:
        picture = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                out.mux(packet)
    timeline = analyze(silent, transcript=sample.transcript())
    seen = [(*prediction.evidence, prediction.label) for _, prediction in timeline]
    faces = [(text.probabilities, label) for text, _, face, label in seen if face.probabilities and text.probabilities]
    assert len(faces) >= 10, "expected the speaker's face in most of 13 utterances"
    surprised = [max(words, key=words.__getitem__) for words, label in faces if label == "surprise"]
    assert set(surprised) <= {"surprise"}, "a face made an utterance a surprise whose words are none"
