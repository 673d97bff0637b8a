"""`python -m ftcore` is `ftcore`."""

import sys

from ftcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
