"""Train a policy: ``python scripts/train.py [HYDRA OVERRIDES]`` is ``greenband train``."""

import sys

from greenband.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
