"""What OpenShift needs beside: leave for the handler to be what it is, and the console's plugin.

- Where there are SecurityContextConstraints, no pod is privileged by its namespace's labels alone: the handler's
  account gets constraints of its own, which allow what its pod asks for and nothing beyond; so does the controller's
  where it is on the host's network (``hostNetwork``). All other pods pass the strictest ones that every cluster has.
- Where the console takes plugins and the operator was told an image (RELATED_IMAGE_CONSOLE_PLUGIN_IMAGE), the
  plugin is served: files over HTTPS, by a pod without any account's token. OpenShift makes its certificate. The
  ConsolePlugin has the name that is written in the plugin, whatever the prefix.
"""

from __future__ import annotations

__all__ = ["PLUGIN_NAME", "openshift"]

from collections.abc import Collection, Iterable

from nmstate_k8s.domain.install.controller import CONTROLLER_ACCOUNT, placement
from nmstate_k8s.domain.install.handler import HANDLER_NAME
from nmstate_k8s.domain.install.kinds import (
    CONFIG_MAPS,
    CONSOLE_PLUGINS,
    NETWORK_POLICIES,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack
from nmstate_k8s.domain.kinds import DEPLOYMENTS

PLUGIN_NAME = "nmstate-console-plugin"
PLUGIN_COMPONENT = "kubernetes-nmstate-console-plugin"

_PORT = 9443
_CERTIFICATES = "/var/serving-cert"
_NGINX = f"""\
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {{
        listen {_PORT} ssl;
        listen [::]:{_PORT} ssl;
        ssl_certificate {_CERTIFICATES}/tls.crt;
        ssl_certificate_key {_CERTIFICATES}/tls.key;
        root /opt/app-root/src;
    }}
}}
"""
"""All that it writes, it writes to /tmp: its root is read-only."""


def openshift(stack: Stack, served: Collection[object]) -> Iterable[Manifest]:
    """The objects, of kinds that are ``served``."""
    if SECURITY_CONTEXT_CONSTRAINTS in served:
        yield _handler_constraints(stack)
        if stack.spec.host_network:
            yield _controller_constraints(stack)
    if CONSOLE_PLUGINS in served and stack.settings.console_plugin_image:
        yield from _plugin(stack)


def _handler_constraints(stack: Stack) -> Manifest:
    """What the handler's pod asks for."""
    anything = {"type": "RunAsAny"}
    return _constraints(
        stack,
        HANDLER_NAME,
        {
            "allowHostDirVolumePlugin": True,
            "allowHostPorts": False,
            "allowPrivilegedContainer": True,
            "allowPrivilegeEscalation": True,  # goes with privileged
            "runAsUser": anything,
            "seLinuxContext": anything,
            "fsGroup": anything,
            "supplementalGroups": anything,
            "volumes": ["emptyDir", "hostPath", "projected"],
        },
    )


def _controller_constraints(stack: Stack) -> Manifest:
    """What the controller's pod asks for on the host's network: that, its ports, and else what everybody has."""
    return _constraints(
        stack,
        CONTROLLER_ACCOUNT,
        {
            "allowHostDirVolumePlugin": False,
            "allowHostPorts": True,
            "allowPrivilegedContainer": False,
            "allowPrivilegeEscalation": False,
            "requiredDropCapabilities": ["ALL"],
            "runAsUser": {"type": "MustRunAsNonRoot"},
            "seLinuxContext": {"type": "MustRunAs"},
            "fsGroup": {"type": "MustRunAs"},
            "supplementalGroups": {"type": "RunAsAny"},
            "seccompProfiles": ["runtime/default"],
            "volumes": ["emptyDir", "projected"],
        },
    )


def _constraints(stack: Stack, account: str, allowed: Body) -> Manifest:
    """For one account that is on the host's network, under its name; no other user may have by it."""
    name = stack.name(account)
    common: Body = {
        "allowHostIPC": False,
        "allowHostNetwork": True,
        "allowHostPID": False,
        "readOnlyRootFilesystem": True,
        "users": [f"system:serviceaccount:{stack.namespace}:{name}"],
        "groups": [],
    }
    return stack.manifest(SECURITY_CONTEXT_CONSTRAINTS, name, {**common, **allowed})


def _plugin(stack: Stack) -> Iterable[Manifest]:
    """The plugin's files, who serves them, and the word to the console that they are there."""
    name = stack.name(PLUGIN_NAME)
    pods = stack.selector(PLUGIN_NAME, PLUGIN_COMPONENT)
    labels = stack.pod_labels(PLUGIN_NAME, PLUGIN_COMPONENT)
    yield stack.manifest(SERVICE_ACCOUNTS, name, {"automountServiceAccountToken": False})
    yield stack.manifest(CONFIG_MAPS, name, {"data": {"nginx.conf": _NGINX}})
    callers: Body = {"ports": [{"port": _PORT, "protocol": "TCP"}]}
    only_in = {"podSelector": {"matchLabels": pods}, "policyTypes": ["Ingress", "Egress"], "ingress": [callers]}
    yield stack.manifest(NETWORK_POLICIES, name, {"spec": only_in})
    template = {"metadata": {"labels": labels}, "spec": _pod(stack, name)}
    yield stack.manifest(
        DEPLOYMENTS,
        name,
        {
            "metadata": {"labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": pods}, "template": template},
        },
    )
    yield stack.manifest(
        SERVICES,
        name,
        {
            "metadata": {"annotations": {"service.beta.openshift.io/serving-cert-secret-name": f"{name}-cert"}},
            "spec": {
                "selector": pods,
                "ports": [{"name": "https", "port": _PORT, "protocol": "TCP", "targetPort": _PORT}],
            },
        },
    )
    service = {"name": name, "namespace": stack.namespace, "port": _PORT, "basePath": "/"}
    yield stack.manifest(
        CONSOLE_PLUGINS,
        PLUGIN_NAME,
        {
            "spec": {
                "displayName": "Node networking (nmstate)",
                "backend": {"type": "Service", "service": service},
                "i18n": {"loadType": "Preload"},
            }
        },
    )


def _pod(stack: Stack, name: str) -> Body:
    settings = stack.settings
    check = {"tcpSocket": {"port": _PORT}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3}
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "priorityClassName": "system-cluster-critical",
        **placement(stack.spec),
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": PLUGIN_NAME,
                "image": settings.console_plugin_image,
                "imagePullPolicy": settings.image_pull_policy,
                "ports": [{"name": "https", "containerPort": _PORT, "protocol": "TCP"}],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                "readinessProbe": check,
                "livenessProbe": check,
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/nginx/nginx.conf", "subPath": "nginx.conf", "readOnly": True},
                    {"name": "certificate", "mountPath": _CERTIFICATES, "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},  # a path in the pod
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "certificate", "secret": {"secretName": f"{name}-cert"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
