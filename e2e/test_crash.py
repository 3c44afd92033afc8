"""A handler that dies between apply and commit: the node is as before, then the policy ends truly."""

from __future__ import annotations

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition
from e2e.test_uplink import NO_ADDRESS

# Waits inside the node until NetworkManager holds a checkpoint, then kills the handler: no round trip in between.
KILL_AT_CHECKPOINT = r"""
path=/org/freedesktop/NetworkManager
for i in $(seq 3000); do
    case $(busctl get-property org.freedesktop.NetworkManager $path org.freedesktop.NetworkManager Checkpoints) in
    *Checkpoint/*)
        kill -9 $(pgrep -f '[n]mstate-handler node') || exit 1
        AFTERWARDS
        echo killed
        exit 0 ;;
    esac
    sleep 0.02
done
echo 'no checkpoint was ever seen' >&2
exit 1
"""


JOURNAL = "/var/k8s_nmstate/journal"
KEPT = "/var/k8s_nmstate/states.json.unreadable"


def _kill_once_applying(node: Node, afterwards: str = ":") -> None:
    assert node.sh(KILL_AT_CHECKPOINT.replace("AFTERWARDS", afterwards), timeout=120).strip() == "killed"


def test_a_good_policy_succeeds_after_its_handler_was_killed(cluster: Cluster, nodes: list[Node]) -> None:
    """kill -9 with the checkpoint open: the new handler rolls back what was left and applies it whole."""
    node = nodes[-1]
    handlers = cluster.handler_restarts()[node.name]
    desired = {
        "interfaces": [
            {
                "name": "bond1",
                "type": "bond",
                "state": "up",
                "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.9", "prefix-length": 24}]},
                "link-aggregation": {"mode": "active-backup", "port": ["eth1", "eth2"]},
            }
        ]
    }
    cluster.apply(cluster.policy("killed", desired, nodeSelector={"kubernetes.io/hostname": node.name}))
    _kill_once_applying(node)

    cluster.wait("nncp", "killed", "Available", timeout=300)
    assert cluster.handler_restarts()[node.name] != handlers
    assert node.addresses("bond1") == ["192.0.2.9/24"]


def test_a_bad_policy_fails_truly_after_its_handler_was_killed(cluster: Cluster, nodes: list[Node]) -> None:
    """A policy that cuts the node off, its handler killed while it probes: the node comes back, then Degraded."""
    node = nodes[-1]
    before = node.state()
    selector, probes = {"kubernetes.io/hostname": node.name}, {"timeoutSeconds": 12}
    cluster.apply(cluster.policy("killed-bad", NO_ADDRESS, nodeSelector=selector, probes=probes))
    _kill_once_applying(node)

    cluster.wait("nncp", "killed-bad", "Degraded", timeout=250)
    failing = condition(cluster.enactments("killed-bad")[node.name], "Failing")
    assert failing["status"] == "True"
    node.is_again(before, timeout=60)
    eventually(f"{node.name} Ready", lambda: cluster.node_ready(node.name), timeout=90)


def test_a_corrupt_journal_keeps_no_handler_from_its_work(cluster: Cluster, nodes: list[Node]) -> None:
    """The new one rolls back by the checkpoint, keeps the file aside, and applies the policy whole."""
    node = nodes[-1]
    desired = {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1480}]}
    cluster.apply(cluster.policy("corrupt", desired, nodeSelector={"kubernetes.io/hostname": node.name}))
    try:
        _kill_once_applying(node, afterwards=f"head -c 100 /dev/zero > {JOURNAL}/states.json")
        cluster.wait("nncp", "corrupt", "Available", timeout=300)
        assert node.sh(f"stat -c %s {KEPT}").strip() == "100"
        assert node.sh("cat /sys/class/net/eth1/mtu").strip() == "1480"
        assert cluster.enactments("corrupt")[node.name]["status"]["retryCount"] == {"1": 1}
    finally:
        node.sh(f"rm -rf {KEPT}")
