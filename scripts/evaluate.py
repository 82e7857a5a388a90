"""Compare subjects: ``python scripts/evaluate.py SUBJECT... --scenario S`` is ``greenband evaluate``."""

import sys

from greenband.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
