"""``python -m merc``: the command line without the console script."""

from merc.cli import main

if __name__ == "__main__":
    main()
