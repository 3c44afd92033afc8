"""Run the handler from a checkout: python cmd/handler node|controller."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
from nmstate_k8s.apps.run_handler import main  # noqa: E402

main()
