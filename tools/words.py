"""Find phrases that a native engineer would have to translate; prints the hits and exits 1 when there are any.

    python tools/words.py             # every hit: file, line, phrase, what to write instead
    python tools/words.py --count     # hits by room
    python tools/words.py src/merc/nn docs

The table is short and precise on purpose: it holds phrases, not words, so that a correct sentence is never flagged.
Prose is searched across line breaks. docs/results is generated and docs/decisions/ is a record; both are skipped.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "RELEASING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
SEARCHED = ("src", "docs", "research", "tools", "examples", *PAGES)
GENERATED = (
    "docs/results",
    "src/merc/heads/shipped",
    "docs/_build",
    "docs/reference/api",
    "docs/reference/cards",
    "docs/reference/commands.md",
)
SKIPPED = (*GENERATED, "docs/decisions", "tools/words.py")

# A pattern (a space matches any white space, also a line break with a comment sign) and what to write instead.
TABLE = {
    r"what stands around": "callbacks, settings, the surrounding …",
    r"stands? (?:beside|in words|for several|in for|elsewhere|before the|below each|under (?:a name|its))": (
        "is listed, is stored, appears, is shown next to"
    ),
    r"(?:as|where|how|what) (?:it|they) stands?\b": "as written, unchanged, where it is",
    r"(?:goes|go|went|going) on (?:where|there|from|after|again|with)": "resumes (from the last checkpoint)",
    r"(?:goes|go) on\b(?! to\b)": "resumes, continues",
    r"run that was (?:killed|stopped)": "an interrupted run resumes",
    r"(?:training|tuning|bench|run|it) (?:that )?was killed": "an interrupted training resumes",
    r"killed (?:run|training|tuning|bench)": "interrupted run",
    r"\b(?:is|are|be|was|were|been) told (?!apart)": "is called with, receives, is set, is known",
    r"told by (?:number|letter|name|its)": "anonymised as numbers, marked by letter",
    r"told apart": "distinguished",
    r"unless (?:told|asked|said) otherwise": "by default",
    r"unless (?:it is )?(?:told|asked)\b": "by default",
    r"\b(?:is|are|was|were|be) asked (?:for|after|again|with|of|it)": "is requested, is called",
    r"\b(?:as|when|first|what was|what is) asked": "as requested, on first use",
    r"(?:is|are) held (?:to|against|for)": "is checked against",
    r"else (?:the corpus is|it is) held": "other published counts",
    r"(?<!there\s)\bis no (?:sound|picture|feature|store|folder|recording|table|encoder|whole|speech|video|film)": (
        "is not a …, cannot decode …"
    ),
    r"(?:takes?|took) no part": "is excluded",
    r"a choice of\b": "a subset of",
    r"source paper": "Wang & Beigi 2025 (QC-MERC), once per page; then: the paper",
    r"of (?:the )?least (?:loss|error|figure)": "best checkpoint by validation loss",
    r"\b[Ll]east (?:cosine|loss|number|share|length|similarity|confidence)": "minimum",
    r"Of torch\b": "PyTorch threads",
    r"Reaches everything": "Random seed.",
    r"everything that is random": "Random seed.",
    r"How many voices there are": "Number of speakers",
    r"the half that (?:chooses|compares)": "selection split, comparison split",
    r"heads? that (?:have|has) not met": "out-of-fold predictions",
    r"people tell too much": "in-sample leakage",
    r"(?:has|have|had) not met\b": "unseen",
    r"(?:has|have|had) met (?:the|a|its)\b": "has seen",
    r"mean and deviation": "mean and standard deviation",
    r"(?<!standard\s)\bdeviations? (?:of|over|below|above|from|1)\b": "standard deviation",
    r"latest ninth": "polynomial-decay averaging",
    r"running mean of (?:its|the|a system's) weights": "averaged weights",
    r"\b[Ww]hither\b": "in which direction",
    r"\bhitherto\b": "until now",
    r"is (?:not |whether it is )?here or not": "installed",
    r"whether it is here": "Installed",
    r"is not here\b": "is not available, is not installed",
    r"an utterance a (?:time|row)": "one utterance at a time, one row per utterance",
    r"\ba (?:row|vector|file|figure|value|score|decision) an? (?:utterance|decision|clip|token|frame|run)": (
        "one row per utterance"
    ),
    r"\bone (?:row|file|vector|picture|line|column) an? \w+": "one row per …",
    r"\bone a (?:file|token|second|row|label|frame|core|step)": "one per …",
    r"\bas they are published\b": "as published",
    r"counts? for little": "has a low weight",
    r"so that a name sways": "so that names have no influence",
    r"\b(?:is|are) (?:also )?measured apart": "is reported separately",
    r"found out by": "detected by",
    r"meet at a usual place": "share a default folder",
    r"usual place": "default folder",
    r"(?:what|which) (?:it|they) (?:rests?|rested) on": "inputs, what it is based on",
    r"stands? on one (?:line|row)": "is on one line",
    r"(?:no|any|each) (?:one|other) may stand": "may be",
    r"(?:may|can|must|should|could) (?:not )?stand\b": "may appear",
    r"\bhas learnt?(?:ed)? from\b": "was trained on",
    r"that (?:learnt|learned) (?:the|single|MELD|IEMOCAP|five|a)\b": "trained on",
    r"\blets? (?:low-rank )?adapters (?:on MPNet )?learn": "fine-tunes low-rank adapters",
    r"\bto show it (?:to|with)": "for display",
    r"\bof (?:one's|your|its|their) own making\b": "custom",
    r"\bthe same way (?:round|about)\b": "in the same order",
    r"\bhas been heard\b": "was transcribed",
    r"\bis heard as\b": "is transcribed as",
    r"\bbeside each other\b": "side by side",
    r"\b(?:vectors|words|voices|layers|frames|values|features|systems?) beside\b": "next to, with",
    r"\bthe (?:feature|system|head|encoder|row|figure)s? beside\b": "next to, with",
    r"\bbeside (?:what|Table|published|other|others|another|one)\b": "next to, with, compared with",
    r"\bbefore hours of work\b": "early",
    r"\bof no use\b": "useless",
    r"\bdoes not know of\b": "does not support",
    r"\bwhat came (?:out )?of (?:it|them)\b": "the result",
    r"\bwhat (?:there is|is there)\b": "what is available, list of …",
    r"\bis (?:laid|put) aside\b": "is set aside",
    r"\bmakes? no difference whether\b": "regardless of whether",
    r"\bin a (?:whole|single) piece\b": "at once",
    r"\b(?:shares|sharing) out\b": "distributes",
    r"\bNames? of (?:one's|your) choice\b": "custom name",
    r"\bbeside (?:the|its) (?:results|whole)\b": "next to the results, in comparison with the whole",
    r"\bmeasured beside\b": "also reported",
    r"\bfigures of epochs\b": "values per epoch",
    r"\b(?:one|no|a) (?:token|line|page) a (?:line|trial|speaker|fold|seed)\b": "one line per …",
    r"\bhow many voices there are\b": "the number of speakers",
    r"\bcurve of risk against coverage\b": "risk-coverage curve",
    r"\bare no inequality\b": "do not fail the check",
    r"\bwhatever its ending\b": "despite its extension",
    r"\bWhat an utterance sees\b": "Dialogue context",
}


@dataclass(frozen=True)
class Hit:
    """One phrase in one file."""

    path: Path
    line: int
    phrase: str
    instead: str


def _patterns() -> list[tuple[re.Pattern[str], str]]:
    gap = r"(?:\s+(?:#\s*|>\s*|\*\s*)?)"
    return [(re.compile(pattern.replace(" ", gap)), instead) for pattern, instead in TABLE.items()]


PATTERNS = _patterns()


def files(names: tuple[str, ...] = SEARCHED, root: Path = ROOT) -> Iterator[Path]:
    """Python and Markdown files below ``names``, without what is generated or a record."""
    for name in names:
        top = root / name
        found = [top] if top.is_file() else sorted(top.rglob("*"))
        for path in found:
            inside = path.resolve().relative_to(root).as_posix()
            if path.suffix in (".py", ".md") and not inside.startswith(SKIPPED):
                yield path


def hits(text: str, path: Path = Path("text")) -> list[Hit]:
    """The archaic phrases of a text, in order; a stretch that two patterns match is reported once."""
    found: dict[int, Hit] = {}
    for pattern, instead in PATTERNS:
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.setdefault(match.start(), Hit(path, line, " ".join(match.group().split()), instead))
    return [found[start] for start in sorted(found)]


def room(path: Path, root: Path = ROOT) -> str:
    """The room of a file of ``src``, else its top folder or own name."""
    parts = path.resolve().relative_to(root).parts
    return "/".join(parts[:3]) if parts[0] == "src" and len(parts) > 3 else parts[0]


def main(argv: list[str] | None = None) -> int:
    """Print the hits, or their number by room; 1 when there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=SEARCHED, help="files or folders below the repository")
    parser.add_argument("--count", action="store_true", help="print the number of hits by room")
    options = parser.parse_args(argv)
    found = [hit for path in files(tuple(options.names)) for hit in hits(path.read_text("utf-8"), path)]
    if options.count:
        for name, number in sorted(Counter(room(hit.path) for hit in found).items()):
            print(f"{number:5} {name}")
        print(f"{len(found):5} in all")
    else:
        for hit in found:
            name = hit.path.resolve().relative_to(ROOT)
            print(f"{name}:{hit.line}: '{hit.phrase}' -> {hit.instead}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
