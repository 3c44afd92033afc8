"""The Kubernetes programs: those that the user has, else built once from their Go modules and kept in the cache."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from .errors import LabError
from .paths import KUBERNETES, SOURCE, Paths
from .run import run, which
from .say import Progress

__all__ = ["PROGRAMS", "build", "find", "go", "missing"]

# Longest build first.
PROGRAMS = (
    "kube-apiserver", "kube-controller-manager", "kubectl", "kubelet", "kube-proxy", "kube-scheduler", "etcd",
)  # fmt: skip


def _package(program: str) -> str:
    return "go.etcd.io/etcd/server/v3" if program == "etcd" else f"k8s.io/kubernetes/cmd/{program}"


def find(paths: Paths, program: str) -> Path | None:
    """KUBEBUILDER_ASSETS first, as everywhere in this project; then our own build; then PATH, if the version fits."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    candidates = [Path(assets) / program] if assets else []
    candidates.append(paths.binaries / program)
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    on_path = which(program)
    return Path(on_path) if on_path and _fits(program, on_path) else None


@cache
def _fits(program: str, path: str) -> bool:
    """Whether a program that just happens to be there is of our minor version (etcd: any that such a server takes)."""
    words = ["version", "--client"] if program == "kubectl" else ["--version"]
    told = subprocess.run([path, *words], capture_output=True, text=True, check=False).stdout
    wanted = r"etcd Version: 3\.[5-9]" if program == "etcd" else re.escape(KUBERNETES.rpartition(".")[0] + ".")
    return re.search(wanted, told) is not None


def go() -> str | None:
    """The Go tool, also where only its usual place has it."""
    usual = Path("/usr/local/go/bin/go")
    return which("go") or (str(usual) if usual.exists() else None)


def missing(paths: Paths) -> list[str]:
    return [p for p in PROGRAMS if find(paths, p) is None]


def build(paths: Paths, progress: Progress, built: Callable[[str], None]) -> None:
    """Build what is missing, one after the other (each build uses all cores); `built(name)` after each."""
    wanted = missing(paths)
    if not wanted:
        return
    if go() is None:
        raise LabError(
            f"{', '.join(wanted)}: neither found (KUBEBUILDER_ASSETS, PATH) nor can they be built: Go is missing. "
            "Install Go 1.26 or later from go.dev, or set KUBEBUILDER_ASSETS"
        )
    paths.binaries.mkdir(parents=True, exist_ok=True)
    with (paths.binaries / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for program in missing(paths):
            with progress.step(f"build {program}"):
                _build(paths, program)
            built(program)


def _build(paths: Paths, program: str) -> None:
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamp = f"-X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    new = paths.binaries / f"{program}.new"
    run(
        "setpriv", "--pdeathsig", "KILL", go() or "go", "build", "-trimpath", "-ldflags",
        "-s -w" if program == "etcd" else f"-s -w {stamp}", "-o", new, _package(program),
        cwd=SOURCE / "controlplane", env={"CGO_ENABLED": "0"}, what=f"building {program}",
    )  # fmt: skip
    new.rename(paths.binaries / program)
