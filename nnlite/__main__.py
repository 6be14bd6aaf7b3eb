"""``python -m nnlite`` is the command ``nnlite``."""

import sys

from nnlite.cli import main

if __name__ == "__main__":
    sys.exit(main())
