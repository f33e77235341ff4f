"""Labels of a transcript's lines without torch: ONNX Runtime, numpy and tokenizers are all that is installed.

merc export onnx analysis --parts text --out exported        (where merc is installed with its weights)
python examples/words_without_torch.py exported "Ann: We won the case!" "Ben: You are kidding."
"""

from __future__ import annotations

import sys

import merc.runtime


def parsed(line: str) -> tuple[str | None, str]:
    """Speaker and words of a line; the speaker is None where no name with a colon comes first."""
    name, colon, words = line.partition(": ")
    return (name, words) if colon else (None, line)


def main(folder: str, lines: list[str]) -> None:
    """Print the most probable label of each line, read after the lines before it."""
    analysis = merc.runtime.load_analysis(folder)
    speakers, texts = zip(*map(parsed, lines), strict=True)
    for line, row in zip(lines, analysis.text(texts, speakers=speakers), strict=True):
        best = int(row.argmax())
        print(f"{analysis.labels[best]:9} {row[best]:.2f}  {line}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
