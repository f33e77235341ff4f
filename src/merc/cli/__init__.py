"""The command ``merc``: one file per verb, without logic of its own.

Exit codes: 0 all done; 1 some recordings of a batch failed (each has a row with its reason); 2 nothing could be done,
and the last line on stderr says why and what to do next.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    from merc.cli.app import app
    from merc.errors import MercError

    try:
        app()
    except MercError as error:
        sys.stderr.write(f"merc: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("merc: interrupted; run the same command again to continue\n")
        sys.exit(130)
