"""Entry point of `hack/lab`."""

import os.path
import sys

# os.path and not pathlib: `hack/lab exec` is called hundreds of times.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from hack.cluster.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
