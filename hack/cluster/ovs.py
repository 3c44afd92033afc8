"""NetworkManager with Open vSwitch, built from Debian's own source: Debian builds it without.

The plugin alone does not load into Debian's daemon (which does not export what it needs), so both are built and both
replace what the package brought.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from . import debian
from .paths import Paths
from .run import caged, run

__all__ = ["FILES", "build", "find"]

FOLDER = "ovs-1"
BUILDER = (
    "build-essential", "ca-certificates", "dpkg-dev", "gettext", "libdbus-1-dev", "libglib2.0-dev", "libjansson-dev",
    "libndp-dev", "libsystemd-dev", "libudev-dev", "meson", "ninja-build", "pkgconf", "uuid-dev", "xsltproc",
)  # fmt: skip
FILES = ("src/core/NetworkManager", "src/core/devices/ovs/libnm-device-plugin-ovs.so")
OPTIONS = {
    "prefix": "/usr", "buildtype": "release", "ovs": "true", "udev_dir": "/usr/lib/udev", "crypto": "null",
    "suspend_resume": "systemd", "systemdsystemunitdir": "no", "session_tracking": "no", "libaudit": "no",
    "tests": "no", "readline": "none",
    **dict.fromkeys(
        (
            "wifi", "modem_manager", "teamdctl", "ppp", "bluez5_dun", "ofono", "nmtui", "nmcli", "nm_cloud_setup",
            "concheck", "selinux", "polkit", "session_tracking_consolekit", "systemd_journal", "introspection", "vapi",
            "docs", "qt", "libpsl", "firewalld_zone", "ifcfg_rh", "ifupdown", "ebpf",
        ),
        "false",
    ),
}  # fmt: skip


def find(paths: Paths) -> Path | None:
    """The folder with the built files, None where they are not built."""
    folder = paths.builds / FOLDER
    return folder if folder.is_dir() else None


def _script() -> str:
    options = " ".join(f"-D{name}={value}" for name, value in OPTIONS.items())
    return f"""set -e
mount -t proc proc /proc
cd /root
apt-get update -q
apt-get source -q --download-only network-manager
dpkg-source --no-check -x network-manager_*.dsc nm
cd nm
meson setup built {options}
ninja -C built {" ".join(FILES)}
strip built/{FILES[0]} built/{FILES[1]}
"""


def build(paths: Paths) -> Path:
    """Compile in a Debian tree of its own, which is thrown away again. Some two minutes."""
    work = paths.builds / "ovs-builder"
    log = paths.builds / "ovs.log"
    shutil.rmtree(work, ignore_errors=True)
    debian.tree(work, BUILDER, log)
    (work / "etc/apt/sources.list").write_text(debian.source_lines(debian.GUEST_SUITE, sources=True))
    shutil.copy("/etc/resolv.conf", work / "etc/resolv.conf")
    for device in ("null", "urandom"):
        run("cp", "-a", f"/dev/{device}", work / "dev")
    run(*caged(["chroot", work, "sh", "-c", _script()]), log=log, what="building NetworkManager with Open vSwitch")
    new = paths.builds / f"{FOLDER}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for file in FILES:
        shutil.copy(work / "root/nm/built" / file, new)
    shutil.rmtree(work)
    return new.rename(paths.builds / FOLDER)
