"""What a machine must have for the lab: looked at, told with the remedy, and, where apt can do it, provided."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from . import binaries, debian
from .errors import LabError
from .locks import locked
from .paths import Paths
from .run import run, which
from .say import Progress

__all__ = ["Finding", "examine", "missing_packages", "provide"]

# Program to Debian package. What the builds need, and what runs.
PROGRAMS = {
    "cc": "gcc",
    "dnsmasq": "dnsmasq-base",
    "dpkg-deb": "dpkg",
    "ip": "iproute2",
    "iptables": "iptables",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "podman": "podman",
    "sysctl": "procps",
}
FILES = {
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
DISK_GIB, MEMORY_GIB = 10, 4
# What the router must be able to do for service addresses, tried in a network namespace of its own.
ROUTER_TRIAL = """
set -e
ip link add lab0 type bridge
ip tuntap add dev lab1 mode tap
iptables -w -t nat -A OUTPUT -p tcp -d 10.96.0.2 -m conntrack --ctstate NEW -j DNAT --to-destination 10.244.1.2:1
iptables -w -t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
"""


class Finding(NamedTuple):
    """One look at the machine."""

    good: bool
    what: str
    remedy: str = ""

    def line(self) -> str:
        return f"ok     {self.what}" if self.good else f"lacks  {self.what}: {self.remedy}"


def missing_packages() -> list[str]:
    """Debian packages whose programs or files are not there."""
    lacking = [package for program, package in PROGRAMS.items() if which(program) is None]
    lacking += [package for file, package in FILES.items() if not Path(file).exists()]
    return sorted(set(lacking))


def provide(progress: Progress) -> None:
    """Install what is missing, by apt; a LabError says what to do where that cannot be done."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root, for namespaces and taps: use `sudo hack/lab …`")
    with locked(Paths.of_user().cache / "apt.lock"):
        _provide(progress, missing_packages())


def _provide(progress: Progress, lacking: list[str]) -> None:
    if not lacking:
        return
    if which("apt-get") is None:
        raise LabError(f"this machine lacks what the Debian packages {', '.join(lacking)} hold; install it")
    with progress.step(f"install {' '.join(lacking)} (apt-get)"):
        run("apt-get", "update", "-q", what="reading the package lists")
        run(
            "apt-get", "install", "-y", "-q", "--no-install-recommends", *lacking,
            env={"DEBIAN_FRONTEND": "noninteractive"}, what="installing packages",
        )  # fmt: skip


def examine(paths: Paths) -> list[Finding]:
    """Every look, good or not."""
    looks: tuple[Callable[[Paths], Finding], ...] = (
        _root, _machine, _packages, _mirror, _programs, _devices, _router, _memory, _disk,
    )  # fmt: skip
    return [look(paths) for look in looks]


def _root(_: Paths) -> Finding:
    return Finding(os.geteuid() == 0, "root, for namespaces and taps", "use `sudo hack/lab …`")


def _machine(_: Paths) -> Finding:
    remedy = f"this is {platform.machine()}; the nodes' kernel exists for x86_64 alone: use such a machine"
    return Finding(platform.machine() == "x86_64", "an x86_64 machine", remedy)


def _packages(_: Paths) -> Finding:
    lacking = missing_packages()
    remedy = f"apt-get install --no-install-recommends {' '.join(lacking)} (`hack/lab up` does it by itself)"
    return Finding(not lacking, "the programs of Debian packages that are used", remedy)


def _mirror(_: Paths) -> Finding:
    try:
        debian.mirror()
    except LabError as error:
        return Finding(False, "a Debian mirror", str(error))
    return Finding(True, "a Debian mirror")


def _programs(paths: Paths) -> Finding:
    lacking = binaries.missing(paths)
    what = f"Kubernetes {', '.join(lacking)}" if lacking else "the Kubernetes programs"
    if not lacking:
        return Finding(True, what)
    if binaries.go() is None:
        remedy = "install Go 1.26 or later, which builds them, or set KUBEBUILDER_ASSETS to a folder that has them"
        return Finding(False, what, remedy)
    return Finding(True, f"Go, to build {', '.join(lacking)} (minutes, once)")


def _devices(_: Paths) -> Finding:
    return Finding(Path("/dev/net/tun").exists(), "/dev/net/tun", "modprobe tun")


def _router(_: Paths) -> Finding:
    what = "a kernel with bridges, taps and NAT in namespaces"
    if not (which("ip") and which("iptables")):
        return Finding(False, what, "not looked at: install the packages above, then ask again")
    trial = subprocess.run(["unshare", "--net", "sh", "-c", ROUTER_TRIAL], capture_output=True, text=True, check=False)
    remedy = f"modprobe bridge nf_nat xt_MASQUERADE xt_conntrack xt_mark ({trial.stderr.strip()})"
    return Finding(trial.returncode == 0, what, remedy)


def _memory(_: Paths) -> Finding:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            gib = int(line.split()[1]) / 2**20
            remedy = f"{gib:.1f} GiB are; end other programs, or use `hack/lab up --nodes 1 --memory 1024`"
            return Finding(gib >= MEMORY_GIB, f"{MEMORY_GIB} GiB of memory available", remedy)
    return Finding(True, "memory (this kernel does not tell how much)")


def _disk(paths: Paths) -> Finding:
    folder = next(p for p in (paths.cache, *paths.cache.parents) if p.exists())
    gib = shutil.disk_usage(folder).free / 2**30
    remedy = f"{gib:.0f} GiB are; make room, or point XDG_CACHE_HOME and XDG_STATE_HOME at a larger disk"
    return Finding(gib >= DISK_GIB, f"{DISK_GIB} GiB of disk free at {folder}", remedy)
