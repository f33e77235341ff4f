"""The pages of results: an index of one screen with the best figure of each protocol, and a page for each bench.

They are printed from the saved outputs of benches alone; ``benchmarks/pages.py`` reads and writes those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merc.errors import InputError
from merc.evaluation.metrics import LOWER_IS_BETTER
from merc.evaluation.protocol import PROTOCOLS
from merc.reporting import printing
from merc.reporting.leaderboard import figure
from merc.reporting.markdown import cell, table
from merc.reporting.records import Record

MARK = "<!-- Printed by 'merc bench pages' from the outputs in saved/. Edits by hand are lost, and found by a test. -->"

SETTINGS = "Settings as they ran"
"""Begins the list of every option of a section's rows."""

INTRO = """Every page is printed by `merc bench pages docs/results` from the saved outputs of benches, and each section
names the command that measured it. [How results are made](../explanation/how-results-are-made.md) explains protocols,
intervals, tests and columns; in short: a figure is the mean over seeds on the whole test part, with the 95 % interval
over resampled dialogues, and the epoch is chosen on validation. Labels are what annotators agreed on about acted or
staged scenes; a predicted label is not how a person feels."""

BOARD = """The highest row of each protocol whose normalisations use no test data, over all sections, and so chosen by
looking at test. The published figure is the highest beside any row of that protocol. It is comparable where utterances,
division, choice of epoch and modalities are the same; the page says what differs."""

TITLES: Mapping[str, tuple[str, str]] = {
    "systems": ("Published systems", "every system that the features allow, on the same features"),
    "paper": (
        "The Mamba fusion and Table II",
        "the paper's configurations of inputs, its own sizes, the steps to ours",
    ),
    "speech": ("Systems that listen", "speech alone: classes, dimensions and ranks"),
    "variants": ("Variants", "one system with one part changed at a time"),
    "heads": ("Voice and face heads", "random and speaker-disjoint splits, features step by step"),
    "texts": ("Text encoders", "samples of texts with and without test texts known from training"),
    "probes": ("Probes", "what the data themselves give away"),
    "earlier": ("Earlier sections", "printed by earlier versions, without saved outputs; not in the table above"),
}
"""By page its title, and what it holds."""

EARLIER = """These sections were printed by earlier versions of the benches, whose outputs were not saved, and stand
here as they were printed until they are measured again. Where a section has no list "Settings as they ran", this holds:

* `merc bench systems` ran `tripathi` with `bins=1, glances=1` (the source: 200 bins, a glance for each frame) and
  `mamba` with `text=128` on features with one vector per utterance, although the commands do not show it; `merc bench
  paper` ran `mamba` with text 128, 16 states (the source: 64), dropout .4, learning rate 1e-3, batch 64, 15 epochs and
  patience 4, and `mamba_dialogue` with 20 epochs, patience 5 and, on MELD, batch 32.
* With one vector per utterance these systems read a sequence of one step: the recurrent weights of `tripathi` and its
  attention, the scan of `mamba` and three of four taps of its convolution have gradients of exactly zero. Their rows
  measure gated feed-forward networks, and say nothing about the published systems on sequences.
* In every `merc bench paper` row on IEMOCAP that reads the voice, and where a command sets `per_speaker=voice`, the
  values are standardised with each speaker's own mean and standard deviation, test speakers included: transductive.
* "Comparable" did not ask for the same modalities, and sizes of the source are not printed.
* Commands and options have the names of their time: `merc adapt text --tune MODE` is now `merc train text-encoder --set
  mode=MODE`, `merc tune PROTOCOL` is `merc train dialogue-encoder --protocol PROTOCOL`; `text`, `adapted`, `states`,
  `taps`, `own` and `turns` are `text_width`, `modality_width`, `d_state`, `d_conv`, `same_speaker` and `turn_change`.
* "(shipped)" marks the former voice and face heads; those that ship now are measured in their cards."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        page: One of ``TITLES``.
        name: Its place on the page, and the name of its saved output: small letters, digits and dashes.
        body: Markdown that begins with a heading ``## …``.
        records: The figures in it.

    Raises:
        InputError: For another page, for a name with other characters, and for a body without a heading.
    """

    page: str
    name: str
    body: str
    records: tuple[Record, ...] = ()

    def __post_init__(self) -> None:
        if self.page not in TITLES:
            raise InputError(f"section '{self.name}': page '{self.page}'; expected one of {', '.join(TITLES)}")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise InputError(
                f"section '{self.name}': expected small letters, digits and single dashes, as slug() gives"
            )
        if not self.body.startswith("## "):
            raise InputError(f"section '{self.name}': expected a heading '## …' first")

    @property
    def heading(self) -> str:
        """The words of its heading."""
        return self.body.partition("\n")[0].removeprefix("## ").strip()


def slug(words: str) -> str:
    """Words as the name of a section or picture: small letters and digits with dashes between them."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def pages(sections: Sequence[Section]) -> dict[str, str]:
    """By file name the text of the index and of each page that has a section; sections of a page stand by name."""
    held = {page: sorted((one for one in sections if one.page == page), key=lambda one: one.name) for page in TITLES}
    held = {page: own for page, own in held.items() if own}
    return {"index.md": _index(held), **{f"{page}.md": _page(page, own) for page, own in held.items()}}


def _index(held: Mapping[str, Sequence[Section]]) -> str:
    head = ("page", "what it holds", "sections")
    listed = [(f"[{TITLES[page][0]}]({page}.md)", TITLES[page][1], str(len(own))) for page, own in held.items()]
    tree = "\n".join(["```{toctree}", ":hidden:", "", *held, "```"])
    parts = [
        "# Results",
        INTRO,
        "## Best figures by protocol",
        BOARD,
        board([one for own in held.values() for one in own]),
    ]
    return _joined([*parts, "## Pages", table([head, *listed]), tree])


def _page(page: str, sections: Sequence[Section]) -> str:
    contents = "\n".join(f"* [{one.heading}](#{one.name})" for one in sections) if len(sections) > 1 else ""
    bodies = [f'<a id="{one.name}"></a>\n\n{one.body.strip()}' for one in sections]
    notice = EARLIER if page == "earlier" else ""
    return _joined([f"# {TITLES[page][0]}", notice, contents, *bodies])


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join([MARK, *filter(None, parts)]) + "\n"


def board(sections: Sequence[Section]) -> str:
    """The best row of each protocol, its figure, and the highest published one; empty without a record of a protocol.

    Rows of protocols that warn, rows with a normalisation on test data, and "earlier" sections are left out.
    """
    metrics = {name: one.metric for name, one in PROTOCOLS.items() if one.comparable}
    by_protocol: dict[str, list[tuple[Record, Section]]] = {}
    for section in sections:
        for record in section.records:
            if metrics.get(record.protocol) == record.metric:
                by_protocol.setdefault(record.protocol, []).append((record, section))
    rows = [_best(found) for protocol in sorted(by_protocol) if (found := by_protocol[protocol])]
    if not any(rows):
        return "No section has a record yet."
    head = ("protocol", "metric", "best of ours", "inputs", "figure ± sd [95 %]", "published", "comparable")
    return table([head, *filter(None, rows)])


def _best(found: Sequence[tuple[Record, Section]]) -> list[str]:
    """A row of the table; empty where every figure is transductive."""
    sign = -1 if found[0][0].metric in LOWER_IS_BETTER else 1
    own = [(record, section) for record, section in found if not record.transductive]
    if not own:
        return []
    best, section = max(own, key=lambda one: sign * one[0].mean)
    printed = [record for record, _ in found if record.published is not None]
    theirs = max(printed, key=lambda one: sign * (one.published or 0.0), default=None)
    return [
        best.protocol,
        printing.title(best.metric),
        f"[{cell(best.name)}]({section.page}.md)",
        " + ".join(best.modalities),
        figure(best),
        f"{printing.number(theirs.published or 0.0, theirs.metric)} ({cell(theirs.source or '')})" if theirs else "",
        ("yes" if theirs.comparable else "no") if theirs else "",
    ]
