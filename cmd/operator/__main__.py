"""Run the operator from a checkout: python cmd/operator."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
from nmstate_k8s.apps.run_operator import main  # noqa: E402

main()
