"""A node's life: its kernel process, power, cables, and when it counts as there."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from . import agent, chroot, plan
from .api import Api
from .errors import LabError
from .pki import Pki
from .plan import Node
from .run import run
from .session import Session

__all__ = [
    "BOOT_TIMEOUT", "cut", "enter_chroot", "label", "on", "prepare", "pulled", "ready", "set_cable",
    "shut_down", "wait_answer", "wait_booted", "wait_ready",
]  # fmt: skip

_CONDITION_TAINT = "node.kubernetes.io/"
"""Kubernetes takes the taints of this kind away itself, a moment after the condition that they stand for."""
# From `power on` to the agent's answer it takes some seconds; a loaded machine may need many times as long.
BOOT_TIMEOUT = 180
SHUTDOWN_TIMEOUT = 90
_GOING_DOWN = "systemctl list-jobs --no-pager; ps -eo pid,stat,etime,wchan:24,args; journalctl --no-pager -n 40"


def prepare(session: Session, node: Node, pki: Pki) -> None:
    """What a node needs before its first boot: taps and credentials."""
    paths = session.paths
    pki.make_node(node)
    own = paths.share / node.name
    own.mkdir(parents=True, exist_ok=True)
    server = f"https://{plan.GATEWAY}:{plan.API_PORT}"
    pki.kubeconfig(own / "kubeconfig", node.name, server)
    (own / "kubelet.crt").write_bytes(pki.certificate(f"{node.name}-serving").read_bytes())
    (own / "kubelet.key").write_bytes(pki.key(f"{node.name}-serving").read_bytes())
    (paths.share / "ca.crt").write_bytes(pki.authority.read_bytes())
    paths.images.mkdir(exist_ok=True)
    paths.disks.mkdir(exist_ok=True)


def enter_chroot(session: Session, kernel: Path, image: Path) -> None:
    """Build the world of the kernel processes among the lab's mounts, once."""
    script = chroot.script(session.paths.state / "chroot", kernel, image, session.paths.state)
    run(*session.inside("sh", "-c", script, mounts=True), what="preparing the nodes' kernel")


def pulled(session: Session, node: Node) -> list[str]:
    """The NICs whose cable is pulled; kept over power cycles, as a real cable would be."""
    try:
        found: list[str] = json.loads(_cables(session, node).read_text())
    except FileNotFoundError:
        return []
    return found


def _cables(session: Session, node: Node) -> Path:
    return session.paths.disks / f"{node.name}.pulled"


def command_line(node: Node, *, memory: int, unplugged: Iterable[str]) -> list[str]:
    """The arguments of the node's kernel."""
    # The same MACs at each boot: whoever has spoken to the node before finds it again at once.
    nics = [
        f"vec{number}:transport=tap,ifname={tap},depth=128,mac={node.wire_mac(number)}"
        for number, tap in enumerate(node.taps())
    ]
    return [
        f"mem={memory}M", "seccomp=on", f"ubd0=/lab/disks/{node.name}.cow,/image/disk.ext4",
        "root=/dev/ubda", "rw", "rootflags=noinit_itable", "init=/lib/systemd/systemd",
        "systemd.unified_cgroup_hierarchy=1", f"systemd.machine_id={_machine_id(node)}",
        "systemd.show_status=0", "systemd.log_color=0", "panic=1",
        f"lab.node={node.name}", f"lab.address={node.address}", f"lab.management={node.management}",
        f"lab.pods={node.pods}", f"lab.macs={','.join(node.mac(nic) for nic in plan.NICS)}",
        f"lab.pulled={','.join(unplugged)}",
        "con=null", "con0=null,fd:1", f"umid={node.name}", "uml_dir=/tmp", *nics,
    ]  # fmt: skip


def _machine_id(node: Node) -> str:
    return f"{0x1AB:016x}{node.number:016x}"


def on(session: Session, node: Node, *, memory: int) -> bool:
    """Switch the node on; False where it is on already. It answers some seconds later: see agent.wait_answer."""
    arguments = command_line(node, memory=memory, unplugged=pulled(session, node))
    argv: list[str | Path] = ["chroot", session.paths.state / "chroot", chroot.KERNEL, *arguments]
    return session.spawn(node.name, argv, log=session.paths.logs / f"{node.name}.log", piped=True)


def cut(session: Session, node: Node) -> None:
    """Pull the plug: the kernel dies where it stands, and what it had not written to its disk is lost."""
    session.end(node.name, signal.SIGKILL)


def shut_down(session: Session, node: Node) -> None:
    """Power off in an orderly way."""
    done = agent.execute(session.socket_path, node, "systemctl", "poweroff", "--no-block")
    if done.status:
        raise LabError(f"{node.name} refused to power off", done.stderr.decode(errors="replace"))
    try:
        session.wait_ended(node.name, timeout=SHUTDOWN_TIMEOUT)
    except LabError as error:
        remedy = f"`hack/lab power {node.name} cut` pulls its plug"
        raise LabError(f"{error}; {remedy}", _waits_for(session, node)) from error


def _waits_for(session: Session, node: Node) -> str:
    """What a node that is going down waits for: the agent is the last to leave."""
    try:
        done = agent.execute(session.socket_path, node, "sh", "-c", _GOING_DOWN)
    except LabError as error:
        return f"{error}; `hack/lab logs {node.name} --console` has what its kernel said"
    return done.stdout.decode(errors="replace")


def set_cable(session: Session, node: Node, nic: str, *, up: bool) -> None:
    """Plug or pull the cable of one NIC: its carrier follows at once, also inside of the node."""
    out = set(pulled(session, node)) - {nic} if up else {*pulled(session, node), nic}
    if session.running(node.name):
        port = f"port{plan.NICS.index(nic)}"
        done = agent.execute(session.socket_path, node, "ip", "-n", "wire", "link", "set", port, "up" if up else "down")
        if done.status:
            raise LabError(f"the cable of {nic} did not move", done.stderr.decode(errors="replace"))
    _cables(session, node).write_text(json.dumps(sorted(out)))


def ready(session: Session, api: Api, node: Node) -> bool:
    """Whether Kubernetes calls the node Ready for its present boot (not from before a power cut), and pods may come."""
    found = api.get(f"/api/v1/nodes/{node.name}")
    if found is None:
        return False
    if any(taint["key"].startswith(_CONDITION_TAINT) for taint in found.get("spec", {}).get("taints") or ()):
        return False
    status = found.get("status", {})
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])):
        return False
    boot = agent.execute(session.socket_path, node, "cat", "/proc/sys/kernel/random/boot_id").stdout.decode().strip()
    return bool(boot) and status.get("nodeInfo", {}).get("bootID") == boot


def wait_answer(session: Session, node: Node, *, timeout: float = BOOT_TIMEOUT) -> None:
    """Until the node runs commands; LabError at once when its kernel ends before that."""
    deadline = time.monotonic() + timeout
    look = f"see `hack/lab logs {node.name} --console`"
    while not agent.answers(session.socket_path, node):
        if not session.running(node.name):
            raise LabError(f"{node.name}'s kernel ended while booting; {look}")
        if time.monotonic() > deadline:
            raise LabError(f"{node.name} does not answer after {timeout:.0f} s; {look}")
        time.sleep(0.1)


def wait_booted(session: Session, node: Node, *, timeout: float = BOOT_TIMEOUT) -> None:
    """Until the node answers and systemd has started all that it starts at boot (whether or not that went well)."""
    wait_answer(session, node, timeout=timeout)
    agent.execute(session.socket_path, node, "systemctl", "is-system-running", "--wait", timeout=timeout)


def wait_ready(session: Session, node: Node, *, timeout: float = BOOT_TIMEOUT) -> None:
    """Until Kubernetes calls the node Ready for its present boot, and lets pods come."""
    api = Api(session)
    deadline = time.monotonic() + timeout
    reason = ""
    while True:
        try:
            if ready(session, api, node):
                return
        except LabError as error:  # the API server or the node is busy coming: look again
            reason = str(error)
        if time.monotonic() > deadline:
            raise LabError(f"{node.name} is not Ready after {timeout:.0f} s; see `hack/lab logs {node.name}`", reason)
        time.sleep(0.25)


def label(api: Api, node: Node) -> None:
    """Make the node known with its roles before its kubelet comes (which may not give itself a role)."""
    roles = ["worker", *(["control-plane"] if node.control_plane else [])]
    labels = {f"node-role.kubernetes.io/{role}": "" for role in roles} | {"kubernetes.io/hostname": node.name}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels}}
    api.apply(f"/api/v1/nodes/{node.name}", body)
