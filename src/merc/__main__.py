"""``python -m merc``: the command without its console script."""

from merc.cli import main

if __name__ == "__main__":
    main()
