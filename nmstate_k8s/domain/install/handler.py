"""The node's handler: a DaemonSet that is root on its node, and why.

``privileged`` and the host's network because that network is what it configures; the host paths are listed
with their reasons. It tolerates every taint and is of the highest priority, since a node whose network is
broken has taints, and only the handler can mend it.
"""

from __future__ import annotations

__all__ = ["HANDLER_NAME", "daemon_set"]

import msgspec

from nmstate_k8s.api.meta import HANDLER_COMPONENT
from nmstate_k8s.api.model import to_json
from nmstate_k8s.api.probes import LONGEST_PROBE_SECONDS
from nmstate_k8s.domain.install.pods import API_MOUNT, HEALTH_PORT, LINUX, api_volume, field, probe, variables
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack
from nmstate_k8s.domain.kinds import DAEMONSETS

HANDLER_NAME = "nmstate-handler"

# A transaction is not broken off: 480 s for the apply, twice the longest time that a policy may give the probes
# (after it, and after a rollback), and a minute to tell of it.
_GRACE_SECONDS = 480 + 2 * LONGEST_PROBE_SECONDS + 60

_HOST_PATHS = (
    # name, path, type
    ("dbus-socket", "/run/dbus/system_bus_socket", "Socket"),  # NetworkManager is spoken to over D-Bus
    ("nmstate-state", "/var/k8s_nmstate", "DirectoryOrCreate"),  # the node's lock, and what outlives the pod
    ("ovs-socket", "/run/openvswitch", "DirectoryOrCreate"),  # Open vSwitch's database, where there is one
    ("systemd-network", "/etc/systemd/network", "DirectoryOrCreate"),  # names pinned to NICs (.link files)
    # Profiles are copied before a change and synced after it; dispatch scripts are written here.
    ("networkmanager", "/etc/NetworkManager", "DirectoryOrCreate"),
    # The unit that puts the node back before NetworkManager starts in the middle of a change.
    ("systemd-units", "/etc/systemd/system", "DirectoryOrCreate"),
)
_READ_ONLY = (
    ("networkmanager-state", "/var/lib/NetworkManager", "DirectoryOrCreate"),  # global DNS: copied and synced, too
    ("etc", "/etc", "Directory"),  # the machine's name; a folder, since the file is replaced whenever it is set
    # Profiles of this boot, which the initial RAM disk may have made: copied, too.
    ("networkmanager-run", "/run/NetworkManager/system-connections", "DirectoryOrCreate"),
)


def daemon_set(stack: Stack) -> Manifest:
    """The DaemonSet of the handler."""
    name = stack.name(HANDLER_NAME)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%", "maxSurge": 0}}
    return stack.manifest(
        DAEMONSETS,
        name,
        {
            "metadata": {"labels": stack.pod_labels(HANDLER_NAME, HANDLER_COMPONENT)},
            "spec": {
                "selector": {"matchLabels": stack.selector(HANDLER_NAME, HANDLER_COMPONENT)},
                "updateStrategy": rolling,
                "template": {
                    "metadata": {
                        "labels": stack.pod_labels(HANDLER_NAME, HANDLER_COMPONENT),
                        "annotations": {
                            "kubectl.kubernetes.io/default-container": HANDLER_NAME,
                        },
                    },
                    "spec": _pod(stack, name),
                },
            },
        },
    )


def _pod(stack: Stack, account: str) -> Body:
    spec = stack.spec
    tolerations = [to_json(toleration) for toleration in spec.tolerations] or [{"operator": "Exists"}]
    pod: Body = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "priorityClassName": "system-node-critical",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "nodeSelector": dict(spec.node_selector) or LINUX,
        "tolerations": tolerations,
        "containers": [_container(stack)],
        "volumes": [
            *(
                {"name": name, "hostPath": {"path": path, "type": kind}}
                for name, path, kind in (*_HOST_PATHS, *_READ_ONLY)
            ),
            {"name": "tmp", "emptyDir": {}},
            api_volume(),
        ],
    }
    if spec.affinity is not None:
        pod["affinity"] = to_json(spec.affinity)
    return pod


def _container(stack: Stack) -> Body:
    settings = stack.settings
    return {
        "name": HANDLER_NAME,
        "image": settings.handler_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["nmstate-handler", "node"],
        "env": [
            field("NODE_NAME", "spec.nodeName"),
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            *variables(_environment(stack)),
        ],
        "securityContext": {"privileged": True, "runAsUser": 0, "readOnlyRootFilesystem": True},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        # On the node's own loopback: nothing of the handler is reachable from outside the node.
        "readinessProbe": probe("/readyz", period=3, failures=3, host="127.0.0.1"),
        # One that hangs does not end its transaction, so it is not waited for: its successor takes that back.
        "livenessProbe": probe("/healthz", period=10, failures=6, host="127.0.0.1", grace=30),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *({"name": name, "mountPath": path} for name, path, _ in _HOST_PATHS),
            *(
                {"name": name, "mountPath": "/host/etc" if name == "etc" else path, "readOnly": True}
                for name, path, _ in _READ_ONLY
            ),
            {"name": "tmp", "mountPath": "/tmp"},  # a path in the pod
            API_MOUNT,
        ],
    }


def _environment(stack: Stack) -> dict[str, str]:
    """What the handler is told; a change of any of it rolls the DaemonSet out."""
    told = {
        "HANDLER_NAMESPACE": stack.namespace,
        "LOG_LEVEL": stack.spec.log_level,
        "HEALTH_ADDRESS": f"127.0.0.1:{HEALTH_PORT}",
        "NMSTATE_INSTANCE_NODE_LOCK_FILE": "/var/k8s_nmstate/handler_lock",
    }
    if stack.spec.probe_configuration is not None:
        told["PROBES"] = msgspec.json.encode(stack.spec.probe_configuration).decode()
    if stack.spec.allow_dispatch:
        told["ALLOW_DISPATCH"] = "true"
    return told | dict(sorted((stack.settings.handler_environment or {}).items()))
