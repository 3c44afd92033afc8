"""The nodes' disk: a Debian tree with NetworkManager, containerd and kubelet, baked once and shared copy-on-write.

- An image is a folder named by the hash of all that goes into it; a changed input makes a new one.
- What a first boot would do each time (importing images, indexing modules) is done here once.
- There are two of them: the usual one, and one whose nodes have Open vSwitch, built only when it is asked for.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path

from . import chroot, debian, kernel, ovs
from .binaries import find as find_binary
from .errors import LabError
from .guest_files import fill
from .paths import SOURCE, Paths
from .run import caged, run
from .say import Progress

__all__ = ["build_image", "build_tree", "find_image", "find_tree", "packages", "place"]

PACKAGES = (
    "containerd", "containernetworking-plugins", "dbus", "ethtool", "iproute2", "iputils-ping", "kmod",
    "network-manager", "nftables", "procps", "systemd", "systemd-sysv", "tcpdump", "udev",
)  # fmt: skip
DISK = "20G"  # sparse: what is not written costs nothing
RECIPE = ("guest.py", "guest_files.py", "archive.py", "chroot.py")


def packages(*, open_vswitch: bool) -> tuple[str, ...]:
    return (*PACKAGES, *(("libjansson4", "openvswitch-switch") if open_vswitch else ()))


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _tree(paths: Paths, open_vswitch: bool) -> Path:
    return paths.builds / f"tree-{_digest(packages(open_vswitch=open_vswitch), debian.GUEST_SUITE)}"


def find_tree(paths: Paths, *, open_vswitch: bool = False) -> Path | None:
    folder = _tree(paths, open_vswitch)
    return folder if folder.is_dir() else None


def build_tree(paths: Paths, *, open_vswitch: bool = False) -> Path:
    """The Debian tree that images are made from. It changes only with the list of packages."""
    target = _tree(paths, open_vswitch)
    debian.tree(target, packages(open_vswitch=open_vswitch), paths.builds / "tree.log")
    return target


def place(paths: Paths, *, open_vswitch: bool) -> Path | None:
    """Where the image of the present sources, kernel and kubelet belongs; None where one of them is to be built yet."""
    kubelet, kernel_folder = find_binary(paths, "kubelet"), kernel.find(paths)
    if kubelet is None or kernel_folder is None:
        return None
    files = sorted(p for p in (SOURCE / "guest").rglob("*") if p.is_file())
    sources = [SOURCE / name for name in RECIPE] + files
    contents = [(str(p.relative_to(SOURCE)), p.stat().st_mode & 0o111, p.read_bytes()) for p in sources]
    program = kubelet.stat()
    inputs = (_tree(paths, open_vswitch).name, kernel.modules(kernel_folder).name, ovs.FOLDER if open_vswitch else "")
    return paths.builds / f"image-{_digest(inputs, program.st_size, program.st_mtime_ns, contents)}"


def find_image(paths: Paths, *, open_vswitch: bool = False) -> Path | None:
    folder = place(paths, open_vswitch=open_vswitch)
    return folder if folder and folder.is_dir() else None


def build_image(paths: Paths, progress: Progress, *, open_vswitch: bool = False) -> Path:
    """Make the image from tree, kernel and kubelet, which must be there."""
    target, tree = place(paths, open_vswitch=open_vswitch), find_tree(paths, open_vswitch=open_vswitch)
    kernel_folder, kubelet = kernel.find(paths), find_binary(paths, "kubelet")
    manager = ovs.find(paths) if open_vswitch else None
    if (
        target is None
        or tree is None
        or kernel_folder is None
        or kubelet is None
        or open_vswitch > (manager is not None)
    ):
        raise LabError("the nodes' image lacks one of its parts; run `hack/lab build`")
    work = paths.builds / "image.new"
    shutil.rmtree(work, ignore_errors=True)
    (work / "host").mkdir(parents=True)
    with progress.step("nodes' disk: files"):
        root = work / "root"
        run("cp", "-a", tree, root)
        fill(root, kernel_folder, kubelet, manager)
        for library in chroot.LIBRARIES:
            there = work / "host" / library
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / "usr" / library, there)
        run("mkfs.ext4", "-q", "-F", "-d", root, work / "disk.ext4", DISK, what="making the nodes' disk")
        shutil.rmtree(root)
    with progress.step("nodes' disk: container images"):
        _bake(work, kernel_folder, paths.builds / "bake.log")
    _forget_older(paths, keep=target)
    return work.rename(target)


def _bake(work: Path, kernel_folder: Path, log: Path) -> None:
    """Boot the disk once, with a first process that imports the images and powers off."""
    enter = chroot.script(work / "chroot", kernel_folder, work, work)
    boot = (
        f"chroot . {chroot.KERNEL} mem=1024M seccomp=on ubd0=/lab/disk.ext4 root=/dev/ubda rw "
        "init=/usr/local/sbin/lab-bake con=null con0=null,fd:1 umid=bake uml_dir=/tmp | cat"
    )
    run(*caged(["sh", "-c", enter + boot]), log=log, what="baking the nodes' disk")
    (work / "chroot").rmdir()
    lines = log.read_text(errors="replace").splitlines()
    if not any(line.strip() == "BAKED" for line in lines):
        raise LabError(f"baking the nodes' disk failed; its console is in {log}", "\n".join(lines[-20:]))


def _forget_older(paths: Paths, keep: Path) -> None:
    """Images are large: those that no source makes any more go, but for the newest two and those of the last day.

    A lab may run from one that is younger; it is not to lose its disk under way.
    """
    yesterday = time.time() - 24 * 3600
    images = sorted(
        (p for p in paths.builds.glob("image-*") if p != keep), key=lambda p: p.stat().st_mtime, reverse=True
    )
    for old in images[2:]:
        if old.stat().st_mtime < yesterday:
            shutil.rmtree(old, ignore_errors=True)
