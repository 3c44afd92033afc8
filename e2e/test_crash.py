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
        kill -9 $(pgrep -f '[n]mstate-handler node') && echo killed && exit 0 ;;
    esac
    sleep 0.02
done
echo 'no checkpoint was ever seen' >&2
exit 1
"""


def _kill_once_applying(node: Node) -> None:
    assert node.sh(KILL_AT_CHECKPOINT, timeout=120).strip() == "killed"


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
