"""The nodes' disk: a Debian tree with NetworkManager, containerd and kubelet, baked once and shared copy-on-write.

- An image is a folder named by the hash of all that goes into it; a changed input makes a new one.
- What a first boot would do each time (importing images, indexing modules) is done here once.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from pathlib import Path

from . import archive, chroot, debian, kernel
from .binaries import find as find_binary
from .errors import LabError
from .paths import SOURCE, Paths
from .run import caged, run
from .say import Progress

__all__ = ["PACKAGES", "build_image", "build_tree", "find_image", "find_tree", "image_key"]

PACKAGES = (
    "containerd", "containernetworking-plugins", "dbus", "ethtool", "iproute2", "iputils-ping", "kmod",
    "network-manager", "nftables", "procps", "systemd", "systemd-sysv", "tcpdump", "udev",
)  # fmt: skip
DISK = "20G"  # sparse: what is not written costs nothing

# Units that a node of this lab needs not, or that cost seconds on its one slow CPU.
MASKED = (
    "NetworkManager-wait-online.service", "apt-daily-upgrade.timer", "apt-daily.timer", "dev-hugepages.mount",
    "dev-mqueue.mount", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "getty.target", "kmod-static-nodes.service", "ldconfig.service", "proc-sys-fs-binfmt_misc.automount",
    "remote-fs.target", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "systemd-ask-password-console.path", "systemd-ask-password-wall.path",
    "systemd-binfmt.service", "systemd-firstboot.service", "systemd-hibernate-clear.service",
    "systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-journal-flush.service",
    "systemd-logind.service", "systemd-modules-load.service", "systemd-pcrextend.socket", "systemd-pcrlock.socket",
    "systemd-pcrmachine.service", "systemd-pcrphase-sysinit.service", "systemd-pcrphase.service",
    "systemd-pstore.service", "systemd-sysusers.service", "systemd-tmpfiles-clean.timer",
    "systemd-tpm2-setup-early.service", "systemd-tpm2-setup.service", "systemd-udev-trigger.service",
    "systemd-update-done.service",
    "systemd-user-sessions.service", "systemd-vconsole-setup.service",
)  # fmt: skip
ENABLED = {
    "sysinit.target.wants": ("lab-wire.service", "lab-agent.service"),
    "multi-user.target.wants": ("kubelet.service",),
}
# Only these udev rules matter to a guest without hardware; each further file costs time at every event.
UDEV_RULES = (
    "50-udev-default.rules", "75-net-description.rules", "80-net-setup-link.rules", "84-nm-drivers.rules",
    "85-nm-unmanaged.rules", "99-systemd.rules",
)  # fmt: skip


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def find_tree(paths: Paths) -> Path | None:
    folder = paths.builds / f"tree-{_digest(PACKAGES, debian.GUEST_SUITE)}"
    return folder if folder.is_dir() else None


def build_tree(paths: Paths) -> Path:
    """The Debian tree that images are made from. It changes only with the list of packages."""
    paths.builds.mkdir(parents=True, exist_ok=True)
    target = paths.builds / f"tree-{_digest(PACKAGES, debian.GUEST_SUITE)}"
    debian.tree(target, PACKAGES, paths.builds / "tree.log")
    return target


def image_key(paths: Paths) -> str | None:
    """What the present sources, kernel and kubelet make; None where one of them is still to be built."""
    kubelet, kernel_folder = find_binary(paths, "kubelet"), kernel.find(paths)
    if kubelet is None or kernel_folder is None:
        return None
    recipe = [SOURCE / name for name in ("guest.py", "archive.py", "chroot.py")]
    files = sorted(p for p in (SOURCE / "guest").rglob("*") if p.is_file())
    contents = [(str(p.relative_to(SOURCE)), p.stat().st_mode & 0o111, p.read_bytes()) for p in recipe + files]
    binary = kubelet.stat()
    modules = kernel.modules(kernel_folder).name
    return _digest(PACKAGES, debian.GUEST_SUITE, modules, binary.st_size, binary.st_mtime_ns, contents)


def find_image(paths: Paths) -> Path | None:
    key = image_key(paths)
    folder = paths.builds / f"image-{key}"
    return folder if key and folder.is_dir() else None


def build_image(paths: Paths, progress: Progress) -> Path:
    """Make the image from tree, kernel and kubelet, which must be there."""
    key, tree, kernel_folder = image_key(paths), find_tree(paths), kernel.find(paths)
    kubelet = find_binary(paths, "kubelet")
    if key is None or tree is None or kernel_folder is None or kubelet is None:
        raise LabError("the nodes' image lacks one of its parts; run `hack/lab build`")
    with (paths.builds / ".image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = paths.builds / f"image-{key}"
        if target.is_dir():
            return target
        work = paths.builds / "image.new"
        shutil.rmtree(work, ignore_errors=True)
        (work / "host").mkdir(parents=True)
        with progress.step("nodes' disk: files"):
            root = work / "root"
            run("cp", "-a", tree, root)
            _fill(root, kernel_folder, kubelet)
            for library in chroot.LIBRARIES:
                place = work / "host" / library
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / "usr" / library, place)
            run("mkfs.ext4", "-q", "-F", "-d", root, work / "disk.ext4", DISK, what="making the nodes' disk")
            shutil.rmtree(root)
        with progress.step("nodes' disk: container images"):
            _bake(work, kernel_folder, paths.builds / "bake.log")
        _forget_older(paths, keep=target)
        return work.rename(target)


def _fill(root: Path, kernel_folder: Path, kubelet: Path) -> None:
    run("cp", "-a", "--no-preserve=ownership", f"{SOURCE / 'guest/root'}/.", root)
    modules = kernel.modules(kernel_folder)
    run("cp", "-a", modules, root / "usr/lib/modules.new")
    (root / "usr/lib/modules").mkdir(exist_ok=True)
    (root / "usr/lib/modules.new").rename(root / "usr/lib/modules" / modules.name)
    run("chroot", root, "/usr/sbin/depmod", modules.name)  # the host may have no kmod
    shutil.copy(kubelet, root / "usr/local/bin/kubelet")
    compile_ = ("cc", "-std=c17", "-O2", "-static", "-s")
    run(*compile_, "-o", root / "usr/local/sbin/lab-agent", SOURCE / "guest/src/agent.c", what="compiling the agent")
    pause = root / "usr/local/share/lab/pause"
    pause.parent.mkdir(parents=True)
    run(*compile_, "-o", pause, SOURCE / "guest/src/pause.c", what="compiling the pause program")
    archive.write_image(pause.with_suffix(".tar"), "localhost/lab/pause:1", {"/pause": pause.read_bytes()}, ("/pause",))
    pause.unlink()
    _configure(root)


def _configure(root: Path) -> None:
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    for target, wanted in ENABLED.items():
        (units / target).mkdir(exist_ok=True)
        for unit in wanted:
            (units / target / unit).symlink_to(f"/etc/systemd/system/{unit}")
    rules = root / "usr/lib/udev/rules.d"
    for rule in rules.iterdir():
        if rule.name not in UDEV_RULES:
            rule.unlink()
    for profile in (root / "etc/NetworkManager/system-connections").iterdir():
        profile.chmod(0o600)  # NetworkManager reads no other
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")  # a node gets its own at boot, and keeps it
    (root / "etc/fstab").write_text("")
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)


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
