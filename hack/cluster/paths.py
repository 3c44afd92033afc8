"""Where the lab keeps what it builds (cache) and what a running lab is (state)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KUBERNETES", "SOURCE", "Paths"]

KUBERNETES = "v1.36.3"
SOURCE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Paths:
    """Folders of the lab. `cache` outlives labs and may be shared by checkouts; `state` ends with the lab."""

    cache: Path
    state: Path

    @classmethod
    def of_user(cls) -> Paths:
        home = Path.home()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
        state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state")
        return cls(cache / "nmstate-k8s", state / "nmstate-k8s/lab")

    @property
    def binaries(self) -> Path:
        return self.cache / "controlplane" / KUBERNETES

    @property
    def builds(self) -> Path:
        return self.cache / "lab"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def disks(self) -> Path:
        return self.state / "disks"

    @property
    def share(self) -> Path:
        """What the guests see of the host: node credentials and images to load."""
        return self.state / "share"

    @property
    def images(self) -> Path:
        return self.share / "images"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def socket(self) -> Path:
        return self.state / "supervisor.sock"

    @property
    def record(self) -> Path:
        """Which supervisor holds this lab, and what the lab consists of."""
        return self.state / "lab.json"
