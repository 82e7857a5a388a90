"""Write timing tables: ``python scripts/export.py PLAN... --format all --out DIR`` is ``greenband export``."""

import sys

from greenband.cli import main

if __name__ == "__main__":
    main(["export", *sys.argv[1:]])
