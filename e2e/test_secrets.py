"""A password in a policy: it reaches NetworkManager's profile, and nothing that people or programs can look at."""

from __future__ import annotations

import json
from typing import Any

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, condition
from e2e.kit.node import PROFILES
from nmstate_k8s.api.meta import SKIP_VALIDATION_ANNOTATION

GOOD = "Tr0ub4dor-and-3"
BAD = 735773577357
METRICS = "exec 3<>/dev/tcp/127.0.0.1/8081 && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
MASK = "<_password_hid_by_nmstate>"


def _login(password: str | int, *methods: str) -> dict[str, Any]:
    login = {"identity": "node-a", "eap-methods": list(methods), "phase2-auth": "mschapv2", "password": password}
    return {"interfaces": [{"name": "eth2", "type": "ethernet", "state": "up", "802.1x": login}]}


def _shown(cluster: Cluster, node: Node) -> dict[str, str]:
    """All that the cluster shows of a node's configuration, but the specs that users and controllers wrote."""
    statuses = [each["status"] for each in cluster.list("nnce")]
    pods = cluster.list("pods", "-n", HANDLER_NAMESPACE)
    shown = {
        "enactments": json.dumps(statuses),
        "policies": json.dumps([each["status"] for each in cluster.list("nncp")]),
        "states": json.dumps(cluster.list("nns")),
        "events": json.dumps(cluster.list("events.events.k8s.io", "-A")),
        "metrics": node.exec("bash", "-c", METRICS).stdout,
    }
    for pod in pods:
        name = pod["metadata"]["name"]
        shown[f"log of {name}"] = cluster.kubectl("logs", "-n", HANDLER_NAMESPACE, name, "--tail=-1").stdout
    return shown


def test_a_password_leaves_no_trace(cluster: Cluster, nodes: list[Node]) -> None:
    """Neither one that is applied nor one that NetworkManager refuses, whatever libnmstate quotes of it."""
    node = nodes[0]
    here = {"kubernetes.io/hostname": node.name}
    cluster.apply(cluster.policy("login", _login(GOOD, "peap"), nodeSelector=here))
    cluster.wait("nncp", "login", "Available")
    assert GOOD in node.sh(f"cat {PROFILES}/*"), "the password did not reach the profile"
    refused = {
        "refused-login": _login(str(BAD), "peep"),
        "unreadable-login": _login(BAD, "peap"),
        "misspelt-login": {"interfaces": [{"name": "eth2", "type": "ethernet", "802.1x": {"passwordd": {"x": BAD}}}]},
    }
    said = ""
    for name, desired in refused.items():
        policy = cluster.policy(name, desired, nodeSelector=here)
        said += _applied(cluster, policy)
        policy["metadata"]["annotations"] = {SKIP_VALIDATION_ANNOTATION: "true"}
        said += _applied(cluster, policy)
    assert "passwordd" in said, "admission does not mind"

    def all_told() -> bool:
        found = {each["metadata"]["labels"]["nmstate.io/policy"]: each for each in cluster.list("nnce")}
        return len(found) == 4 and all(_settled(each) for each in found.values())

    eventually("all have succeeded or failed for good", all_told, timeout=120, every=1.0)
    shown = _shown(cluster, node) | {"kubectl": said}
    found = [f"{where}: {secret}" for where, text in shown.items() for secret in (GOOD, str(BAD)) if secret in text]
    assert not found
    assert MASK in shown["enactments"]
    assert "nmstate_handler_transactions_total" in shown["metrics"]
    assert "eth2" in shown["enactments"]
    assert any("unreadable-login" in text for where, text in shown.items() if where.startswith("log of"))


def _applied(cluster: Cluster, policy: dict[str, Any]) -> str:
    """All that kubectl says, whether the policy is taken or not."""
    done = cluster.kubectl("apply", "-f", "-", input=json.dumps(policy), check=False)
    return done.stdout + done.stderr


def _settled(enactment: dict[str, Any]) -> bool:
    failing = condition(enactment, "Failing")
    return condition(enactment, "Available").get("status") == "True" or (
        failing.get("status") == "True" and failing.get("reason") == "FailedToConfigure"
    )
