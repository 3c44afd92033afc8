"""What happens to a node in the middle of a transaction, and how it ends.

A strike hits at a moment that its case names. `heals` ends what began with it, where it does not end by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from e2e.faults.scene import FULL, Scene
from e2e.faults.story import Story
from e2e.kit import eventually
from e2e.kit.cluster import HANDLER_NAMESPACE

__all__ = ["STRIKES", "Strike"]

HANDLER = "$(pgrep -f '[n]mstate-handler node')"
NETWORKMANAGER = "$(pidof NetworkManager)"
NM_PATH = "/org/freedesktop/NetworkManager"
HOUR = 3600
STANDSTILL = 25

# All free blocks, reserved ones too, in pieces that halve until not even one block is left.
_FILL = f"""
mkdir -p {FULL}
size=$(($(stat -f -c '%f * %S' /)))
n=0
while [ $size -ge 4096 ]; do
    if fallocate -l $size {FULL}/$n 2>/dev/null; then n=$((n + 1)); else size=$((size / 2)); fi
done
"""
# Only as the handler sees it, by a mount on top: what it holds open below keeps that one from being read-only.
# Its image has no mount program; the flags are MS_BIND, and MS_REMOUNT | MS_BIND | MS_RDONLY.
_AS_HANDLER = f"nsenter -t {HANDLER} -m python3 -c '%s'"
_READ_ONLY = (
    _AS_HANDLER
    % """
import ctypes, os, sys
libc, state = ctypes.CDLL(None, use_errno=True), b"/var/k8s_nmstate"
if libc.mount(state, state, None, 0x1000, None) or libc.mount(b"", state, None, 0x1021, None):
    sys.exit(os.strerror(ctypes.get_errno()))
"""
)
_WRITABLE = (
    _AS_HANDLER
    % """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).umount2(b"/var/k8s_nmstate", 0):
    sys.exit(os.strerror(ctypes.get_errno()))
"""
)
_OUT_OF_MEMORY = f"""
group=/sys/fs/cgroup$(cut -d: -f3 /proc/{HANDLER}/cgroup)
echo 1M > $group/memory.max
"""
_TAKE_BACK_SOON = f"""
path=$(busctl get-property org.freedesktop.NetworkManager {NM_PATH} org.freedesktop.NetworkManager Checkpoints |
    cut -d'"' -f2)
busctl call org.freedesktop.NetworkManager {NM_PATH} org.freedesktop.NetworkManager \\
    CheckpointAdjustRollbackTimeout ou $path 1
"""
_NO_CHECKPOINT = (
    f"busctl get-property org.freedesktop.NetworkManager {NM_PATH} org.freedesktop.NetworkManager Checkpoints"
)


def _nothing(_: Scene, __: Story) -> None:
    return


@dataclass(frozen=True)
class Strike:
    name: str
    hits: Callable[[Scene], None]
    heals: Callable[[Scene, Story], None] = _nothing
    """Called when the transaction goes on (or the node is off)."""
    cuts: bool = False
    """The node has no power afterwards."""
    alone: bool = False
    """No handler runs afterwards, nor does anything that would start one."""
    tells: str = ""
    """What the enactment is to say of it, where it struck between the journal's writing and the commit."""


def _shell(script: str) -> Callable[[Scene], None]:
    def hit(scene: Scene) -> None:
        scene.node.sh(script)

    return hit


def _cut(scene: Scene) -> None:
    scene.node.power("cut")


def _networkmanager_dies(scene: Scene) -> None:
    """And systemd starts it anew."""
    before = scene.node.sh("pidof NetworkManager")
    scene.node.sh(f"kill -9 {NETWORKMANAGER}")
    eventually(
        "another NetworkManager runs",
        lambda: scene.node.sh("pidof NetworkManager || true").strip() not in ("", before.strip()),
        timeout=60,
    )


def _both_die(scene: Scene) -> None:
    scene.node.sh(f"kill -9 {HANDLER} {NETWORKMANAGER}")


def _both_die_for_long(scene: Scene) -> None:
    """The kubelet, which would start the handler again, ends before."""
    scene.node.sh("systemctl stop kubelet")
    _both_die(scene)


def _goes_on_again(program: str) -> Callable[[Scene, Story], None]:
    """SIGCONT, when the handler has told that something is wrong, or after a while in which it did not."""

    def heal(scene: Scene, story: Story) -> None:
        with suppress(AssertionError):
            story.wait("a failure", lambda v: v.phase in ("Retrying", "Failing"), timeout=STANDSTILL)
        scene.node.sh(f"kill -CONT {program}")

    return heal


def _taken_back_meanwhile(scene: Scene) -> None:
    """The handler stands still until NetworkManager's own timeout has taken the change back, and then goes on."""
    scene.node.sh(f"kill -STOP {HANDLER}")
    scene.node.sh(_TAKE_BACK_SOON)
    eventually("no checkpoint", lambda: "Checkpoint/" not in scene.node.sh(_NO_CHECKPOINT), timeout=30)
    scene.node.sh(f"kill -CONT {HANDLER}")


def _delete_pod(scene: Scene) -> None:
    """In good order, and the kubelet has already asked the handler to end."""
    name = scene.pod()
    scene.cluster.kubectl("delete", "pod", "-n", HANDLER_NAMESPACE, name, "--wait=false")
    eventually("the kubelet has asked it to end", lambda: _asked_to_end(scene, name), timeout=60)


def _asked_to_end(scene: Scene, name: str) -> bool:
    logs = scene.cluster.kubectl("logs", "-n", HANDLER_NAMESPACE, name, "--tail=20", check=False).stdout
    return "stopping" in logs


def _force_delete_pod(scene: Scene) -> None:
    scene.cluster.kubectl(
        "delete", "pod", "-n", HANDLER_NAMESPACE, scene.pod(), "--wait=false", "--force", "--grace-period=0"
    )


def _force_deleted_and_killed(scene: Scene) -> None:
    """Not before the kubelet has ended it may the transaction go on."""
    process = scene.node.sh(f"echo {HANDLER}").strip()
    _force_delete_pod(scene)
    eventually(
        "the kubelet has killed it",
        lambda: scene.node.exec("test", "-d", f"/proc/{process}", check=False).returncode != 0,
        timeout=120,
    )


def _room_again(scene: Scene, story: Story) -> None:
    story.wait("a failure", lambda v: v.phase in ("Retrying", "Failing"), timeout=60)
    scene.node.sh(f"rm -rf {FULL}")


def _writable_again(scene: Scene, story: Story) -> None:
    story.wait("a failure", lambda v: v.phase in ("Retrying", "Failing"), timeout=60)
    scene.node.sh(_WRITABLE)


def _clock_forward(scene: Scene) -> None:
    scene.node.sh(f"date -s @{int(time.time()) + HOUR} >/dev/null")


def _clock_behind(scene: Scene) -> None:
    """An hour, or as far as the lab is old: before that no certificate of it is valid, and no node is heard."""
    made = scene.cluster.get("namespace", "kube-system")["metadata"]["creationTimestamp"]
    age = time.time() - datetime.fromisoformat(made).timestamp()
    scene.node.sh(f"date -s @{int(time.time() - min(HOUR, age))} >/dev/null")


def _clock_back(scene: Scene, story: Story) -> None:
    story.wait("an end", lambda v: v.phase in ("Available", "Failing"), timeout=90)
    scene.node.sh(f"date -s @{int(time.time())} >/dev/null")


_ALL = (
    Strike("cut", _cut, cuts=True, tells="interrupted"),
    Strike("kill-handler", _shell(f"kill -9 {HANDLER}"), tells="interrupted"),
    Strike("kill-networkmanager", _networkmanager_dies, tells="NetworkManager"),
    Strike("kill-both", _both_die, tells="interrupted"),
    Strike("kill-both-for-long", _both_die_for_long, alone=True, tells="interrupted"),
    Strike("stop-networkmanager", _shell(f"kill -STOP {NETWORKMANAGER}"), _goes_on_again(NETWORKMANAGER)),
    Strike("hang-networkmanager", _shell(f"kill -STOP {NETWORKMANAGER}"), tells="NetworkManager"),
    Strike("stop-handler-past-timeout", _taken_back_meanwhile, tells="checkpoint"),
    Strike("delete-pod", _delete_pod),
    Strike("terminate", _shell(f"kill -TERM {HANDLER}")),
    Strike("force-delete-pod", _force_deleted_and_killed, tells="interrupted"),
    Strike("force-delete-pod-unheard", _force_delete_pod),
    Strike("out-of-memory", _shell(_OUT_OF_MEMORY), tells="interrupted"),
    Strike("disk-full", _shell(_FILL), _room_again),
    Strike("disk-read-only", _shell(_READ_ONLY), _writable_again),
    Strike("clock-forward", _clock_forward, _clock_back),
    Strike("clock-back", _clock_behind, _clock_back),
)
STRIKES: Mapping[str, Strike] = {strike.name: strike for strike in _ALL}
