"""What the pods of the handler and of the controller have in common.

- The API is reached with a token of 15 minutes that is bound to the pod, hence to its node; the account's
  own automatic token is off.
- No pod has a writable root.
"""

from __future__ import annotations

__all__ = [
    "LINUX",
    "HEALTH_PORT",
    "HOST_HEALTH_PORT",
    "HOST_WEBHOOK_PORT",
    "WEBHOOK_PORT",
    "api_volume",
    "API_MOUNT",
    "field",
    "variables",
    "probe",
]

from collections.abc import Mapping

from nmstate_k8s.domain.install.stack import Body

LINUX = {"kubernetes.io/os": "linux"}
HEALTH_PORT = 8081
WEBHOOK_PORT = 9443
HOST_HEALTH_PORT = 28081
HOST_WEBHOOK_PORT = 28443
"""The controller's on the host's network, where HEALTH_PORT is the handler's and 9443 a favourite of many: below the
ports that Kubernetes and Linux hand out (30000 and 32768), and on no list of well-known ones."""

_TOKEN_SECONDS = 900
_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"

API_MOUNT: Body = {"name": "api-access", "mountPath": _ACCOUNT_FOLDER, "readOnly": True}


def api_volume() -> Body:
    """The three files by which a pod reaches the API server."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": "api-access",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ]
        },
    }


def field(name: str, path: str) -> Body:
    """An environment variable with a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def variables(values: Mapping[str, str]) -> list[Body]:
    """Environment variables with given values."""
    return [{"name": name, "value": value} for name, value in values.items()]


def probe(path: str, *, period: int, failures: int, host: str = "", port: int = HEALTH_PORT, grace: int = 0) -> Body:
    """A health check of the kubelet, over HTTP: no process is started for it.

    :param grace: seconds that a pod which fails it has to end, instead of those that it has otherwise.
    """
    get: Body = {"path": path, "port": port, "scheme": "HTTP"}
    if host:
        get["host"] = host
    check: Body = {"httpGet": get, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures}
    return {**check, "terminationGracePeriodSeconds": grace} if grace else check
