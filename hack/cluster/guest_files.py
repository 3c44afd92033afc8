"""What makes a Debian tree a node of the lab: files, units, programs."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import archive, kernel, ovs
from .errors import LabError
from .paths import SOURCE
from .run import run

__all__ = ["ENABLED", "MASKED", "UDEV_RULES", "fill"]

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
    "systemd-update-done.service", "systemd-user-sessions.service", "systemd-vconsole-setup.service",
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
COMPILE = ("cc", "-std=c17", "-O2", "-static", "-s")


def fill(root: Path, kernel_folder: Path, kubelet: Path, open_vswitch: Path | None) -> None:
    """Make the tree at `root` a node. `open_vswitch`: the folder of the NetworkManager that knows it."""
    run("cp", "-a", "--no-preserve=ownership", f"{SOURCE / 'guest/root'}/.", root)
    _modules(root, kernel.modules(kernel_folder))
    _programs(root, kubelet)
    _units(root)
    if open_vswitch is not None:
        _network_manager(root, open_vswitch)
    for profile in (root / "etc/NetworkManager/system-connections").iterdir():
        profile.chmod(0o600)  # NetworkManager reads no other
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")  # a node gets its own at boot, and keeps it
    (root / "etc/fstab").write_text("")
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)


def _modules(root: Path, modules: Path) -> None:
    folder = root / "usr/lib/modules"
    folder.mkdir(exist_ok=True)
    run("cp", "-a", modules, folder)
    run("chroot", root, "/usr/sbin/depmod", modules.name)  # the host may have no kmod


def _programs(root: Path, kubelet: Path) -> None:
    shutil.copy(kubelet, root / "usr/local/bin/kubelet")
    run(*COMPILE, "-o", root / "usr/local/sbin/lab-agent", SOURCE / "guest/src/agent.c", what="compiling the agent")
    pause = root / "usr/local/share/lab/pause"
    pause.parent.mkdir(parents=True)
    run(*COMPILE, "-o", pause, SOURCE / "guest/src/pause.c", what="compiling the pause program")
    archive.write_image(pause.with_suffix(".tar"), "localhost/lab/pause:1", {"/pause": pause.read_bytes()}, ("/pause",))
    pause.unlink()


def _units(root: Path) -> None:
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    for target, wanted in ENABLED.items():
        (units / target).mkdir(exist_ok=True)
        for unit in wanted:
            (units / target / unit).symlink_to(f"/etc/systemd/system/{unit}")
    for rule in (root / "usr/lib/udev/rules.d").iterdir():
        if rule.name not in UDEV_RULES:
            rule.unlink()


def _network_manager(root: Path, built: Path) -> None:
    daemon, plugin = (Path(file).name for file in ovs.FILES)
    plugins = sorted((root / "usr/lib/x86_64-linux-gnu/NetworkManager").glob("[0-9]*"))
    if len(plugins) != 1:
        raise LabError(f"{len(plugins)} folders of NetworkManager plugins in the nodes' tree instead of one")
    shutil.copy(built / daemon, root / "usr/sbin/NetworkManager")
    shutil.copy(built / plugin, plugins[0])
