"""The node on which faults are tried: as it was at first before each trial, and what it takes to get it there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

from e2e.faults import picture
from e2e.faults.picture import Picture
from e2e.faults.points import Points
from e2e.faults.policies import Policy
from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, condition
from e2e.kit.shell import ROOT

__all__ = ["Scene"]

LAB_PROFILES = ROOT / "hack/cluster/guest/root/etc/NetworkManager/system-connections"
FULL = "/var/full"
DROP_IN = "/etc/systemd/system/nmstate-k8s-restore.service.d"
JOURNAL = "/var/k8s_nmstate/journal"
# What a fault or a policy may have left outside of the profiles, which `Node.reset` puts back.
_TIDY = f"""
pkill -CONT -f '[n]mstate-handler node'; pkill -CONT -x NetworkManager
rm -rf {FULL} {DROP_IN} /run/dispatch-was-here
date -s @{{now}} >/dev/null
"""
_UNDO = """
changed=
if [ "$(cat /etc/hostname)" != "{name}" ]; then echo "{name}" > /etc/hostname; fi
echo "{name}" > /proc/sys/kernel/hostname
for f in /etc/NetworkManager/dispatcher.d/nmstate-* /etc/systemd/network/98-*; do
    if [ -f "$f" ]; then rm -f "$f"; fi
done
for nic in eth0 eth1 eth2; do
    for name in $(ip -j link show $nic | tr ',' '\\n' | grep -o '"second-nic"' | tr -d '"'); do
        ip link property del dev $nic altname $name
    done
done
if grep -q global-dns /var/lib/NetworkManager/NetworkManager-intern.conf 2>/dev/null; then
    systemctl stop NetworkManager
    rm -f /var/lib/NetworkManager/NetworkManager-intern.conf
    systemctl start NetworkManager
fi
if [ -S /run/openvswitch/db.sock ]; then
    ovs-vsctl --if-exists del-br ovs9
    ovs-vsctl remove Open_vSwitch . external_ids faults
fi
sync
"""


@dataclass
class Scene:
    """One node of the running lab, with the stack installed and failpoints read from a file."""

    cluster: Cluster
    node: Node
    seen: dict[str, Picture] = field(default_factory=dict)
    """Policy to the node's picture where it is in force, undisturbed."""
    worn: bool = True
    """The handler may have crashed in this boot: the kubelet would hold back its next restart."""

    @cached_property
    def profiles(self) -> dict[str, str]:
        """As the lab makes its nodes, whatever was done to this one before."""
        return {path.name: path.read_text() for path in sorted(LAB_PROFILES.iterdir())}

    @cached_property
    def before(self) -> Picture:
        return picture.take(self.node)

    @property
    def points(self) -> Points:
        return Points(self.node)

    # --- Around all trials

    def open(self) -> None:
        """From here on a boot starts no kubelet, hence no handler: what the node does by itself can be seen."""
        self.fresh()
        self.node.sh("systemctl disable kubelet 2>/dev/null; sync")

    def close(self) -> None:
        self.fresh()
        self.node.sh("systemctl enable kubelet 2>/dev/null; sync")

    # --- Before each trial

    def fresh(self) -> None:
        """No policy, no fault, the node as at first, and a handler that has not crashed lately."""
        if self.node.exec("true", check=False).returncode != 0:
            self.node.power("on")
        self.node.sh(_TIDY.format(now=int(time.time())))
        self.points.clear()
        if self.node.exec("systemctl", "is-active", "-q", "kubelet", check=False).returncode != 0:
            self.repair()
        self.start_kubelet()
        self.cluster.delete_policies()
        if self.worn and self.restarts():
            self.replace_handler()
        self.worn = False
        eventually("the handler is ready", self.handler_ready, timeout=120)
        self._network_as_at_first()

    def _network_as_at_first(self) -> None:
        first = "before" not in self.__dict__
        self.node.sh(_UNDO.format(name=self.node.name), timeout=120)
        self.node.reset(self.profiles)
        if first:
            assert self.before
        else:
            self.becomes({"old"}, None, timeout=60)

    def repair(self) -> None:
        """A node that did not come back by itself gets its network back, so that Kubernetes can mend the rest."""
        if "before" in self.__dict__ and self.looks(None)[0] != "old":
            self.node.sh("rm -rf /var/k8s_nmstate/journal /var/k8s_nmstate/restored")
            self.node.reset(self.profiles)

    def start_kubelet(self) -> None:
        self.node.exec("systemctl", "start", "kubelet")
        eventually("the node is Ready in this boot", self.ready, timeout=120, every=0.5)

    def replace_handler(self) -> None:
        """A new pod, whose restarts nobody holds back."""
        self.cluster.kubectl(
            "delete", "pod", "-n", HANDLER_NAMESPACE, self.pod(), "--force", "--grace-period=0", check=False
        )
        eventually("a new handler pod", lambda: not self.restarts() and self.handler_ready(), timeout=120)

    # --- Looking

    def ready(self) -> bool:
        """Whether Kubernetes calls the node Ready for its present boot."""
        node = self.cluster.get("node", self.node.name)
        boot = node["status"].get("nodeInfo", {}).get("bootID")
        return condition(node, "Ready").get("status") == "True" and boot == self.node.boot_id()

    def pod(self) -> str:
        pod = self.cluster.handler_pods().get(self.node.name)
        return str(pod["metadata"]["name"]) if pod else ""

    def handler_ready(self) -> bool:
        pod = self.cluster.handler_pods().get(self.node.name)
        statuses = pod["status"].get("containerStatuses", []) if pod else []
        return bool(statuses) and all(status["ready"] for status in statuses)

    def restarts(self) -> int:
        found = self.cluster.handler_restarts().get(self.node.name)
        return found[1] if found else 0

    def looks(self, policy: Policy | None) -> tuple[str, str]:
        """`old`, `new` or `neither`, and what differs from both."""
        now = picture.take(self.node)
        if not (from_old := picture.differences(self.before, now)):
            return "old", ""
        new = self.seen.get(policy.name) if policy else None
        if new is None:
            return "neither", f"from old:\n{from_old}"
        if not (from_new := picture.differences(new, now)):
            return "new", ""
        nearer = min(("old", from_old), ("new", from_new), key=lambda pair: pair[1].count("\n"))
        return "neither", f"from {nearer[0]}:\n{nearer[1]}"

    def becomes(self, wanted: set[str], policy: Policy | None, *, timeout: float) -> str:
        """Wait until the node looks so; which it is."""
        deadline = time.monotonic() + timeout
        while True:
            look, unlike = self.looks(policy)
            if look in wanted:
                return look
            what = f"the node looks {look}, not {' or '.join(sorted(wanted))}, after {timeout:.0f} s\n{unlike}"
            assert time.monotonic() < deadline, what

    def transaction_open(self) -> bool:
        script = f"ls {JOURNAL}/complete {JOURNAL}/transaction.json /var/k8s_nmstate/restored 2>/dev/null || true"
        return bool(self.node.sh(script).strip())

    def evidence(self) -> str:
        """What an engineer would look at after a failure."""
        told = [self.node.tell()]
        for previous in ((), ("--previous",)):
            logs = self.cluster.kubectl(
                "logs", "-n", HANDLER_NAMESPACE, self.pod(), "--tail=200", *previous, check=False
            )
            told.append(f"$ kubectl logs {' '.join(previous)}\n{logs.stdout}{logs.stderr}")
        told.append(self.cluster.kubectl("get", "nncp,nnce,events", "-A", check=False).stdout)
        return "\n".join(told)
