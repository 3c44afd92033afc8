"""Entry point of `hack/lab`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hack.cluster.cli import main  # noqa: E402  (the checkout must be on the path first)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
