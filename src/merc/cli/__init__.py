"""The command ``merc``: one file per verb, without logic of its own.

Exit codes: 0 all done; 1 some recordings of a batch failed (each has a row with its reason); 2 nothing could be done,
and the last line on stderr says why and what to do next.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import NoReturn


def main() -> None:
    """Entry point of the console script."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is loaded; with several, sums depend on the cores
    from merc.cli.app import app
    from merc.errors import MercError

    try:
        app()
    except MercError as error:
        logging.getLogger(__name__).debug("this error came from", exc_info=error)
        sys.stderr.write(f"merc: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if end.code == 130:  # typer turns Ctrl-C into this
            _interrupted()
        raise
    except OSError as error:
        logging.getLogger(__name__).debug("this error came from", exc_info=error)
        _refused(error)
    except MemoryError as error:
        logging.getLogger(__name__).debug("this error came from", exc_info=error)
        sys.stderr.write("merc: out of memory; end other programs, or do less at a time, such as with --workers 1\n")
        sys.exit(2)


def _refused(error: OSError) -> NoReturn:
    """Say what the system refused; with ``--verbose`` the log has said where."""
    if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered would fail again at exit
        sys.stderr.write(f"merc: cannot write the output: {error.strerror}; free space or write it elsewhere\n")
        sys.exit(2)
    what = "" if error.filename is None else f"{str(error.filename)[:100]}: "
    sys.stderr.write(
        f"merc: {what}{error.strerror or error}; check the path and who may use it; 'merc --verbose …' says where "
        "in merc this came from\n"
    )
    sys.exit(2)


def _interrupted() -> None:
    sys.stderr.write("merc: interrupted; run the same command again to continue\n")
    sys.exit(130)
