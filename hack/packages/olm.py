"""The OLM bundle: the same objects, as a ClusterServiceVersion tells the Operator Lifecycle Manager of them.

OLM knows permissions in the operator's namespace and in the whole cluster, none in a third namespace: the rules of
the operator's Role in `default`, for events, are granted in the cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from hack.packages.source import Body, Release, documents, objects
from nmstate_k8s.api.crd import KINDS
from nmstate_k8s.api.meta import GROUP, V1

__all__ = ["FOLDER", "bundle"]

FOLDER = "manifests/olm"
_PACKAGE = "kubernetes-nmstate-operator"
_CHANNEL = "stable"

_LABELS = {
    "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
    "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
    "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
    "operators.operatorframework.io.bundle.package.v1": _PACKAGE,
    "operators.operatorframework.io.bundle.channels.v1": _CHANNEL,
    "operators.operatorframework.io.bundle.channel.default.v1": _CHANNEL,
}

_DESCRIPTION = """Declares the network of a cluster's nodes: a NodeNetworkConfigurationPolicy says what it is to be, and
every matching node is configured through NetworkManager by libnmstate, probed, and kept or rolled back.

After the installation, create an NMState: the operator makes of it all that runs. Nodes need NetworkManager.
"""


def bundle(release: Release) -> Iterator[tuple[str, str]]:
    """The files of the bundle, by their path in the folder, with their texts."""
    bodies = objects(release)
    yield "manifests/nmstate.clusterserviceversion.yaml", documents([_version(release, bodies)])
    for body in _of(bodies, "CustomResourceDefinition"):
        yield f"manifests/{body['metadata']['name']}.yaml", documents([body])
    yield "metadata/annotations.yaml", documents([{"annotations": _LABELS}])
    lines = [
        "# The bundle's image has no program: only these files, and labels by which OLM knows them.",
        "FROM scratch",
    ]
    lines += [f"LABEL {name}={value}" for name, value in _LABELS.items()]
    lines += ["COPY manifests /manifests/", "COPY metadata /metadata/"]
    yield "bundle.Dockerfile", "\n".join(lines) + "\n"


def _version(release: Release, bodies: list[Body]) -> Body:
    (deployment,) = _of(bodies, "Deployment")
    name = deployment["metadata"]["name"]
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": f"{_PACKAGE}.v{release.version}",
            "annotations": {
                "alm-examples": json.dumps([_example()]),
                "capabilities": "Deep Insights",
                "categories": "Networking",
                "containerImage": release.operator_image,
                "description": "Declares the network of a cluster's nodes",
                "operatorframework.io/suggested-namespace": release.namespace,
                "olm.skipRange": f"<{release.version}",
            },
            "labels": {f"operatorframework.io/arch.{arch}": "supported" for arch in release.architectures},
        },
        "spec": {
            "displayName": "Kubernetes NMState",
            "description": _DESCRIPTION,
            "version": release.version,
            "maturity": "alpha",
            "minKubeVersion": "1.30.0",
            "provider": {"name": "nmstate_k8s"},
            "keywords": ["network", "nodes", "nmstate", "NetworkManager"],
            "installModes": [
                {"type": mode, "supported": mode == "AllNamespaces"}
                for mode in ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")
            ],
            "customresourcedefinitions": {"owned": [_owned()]},
            "install": {
                "strategy": "deployment",
                "spec": {
                    "deployments": [
                        {"name": name, "label": deployment["metadata"]["labels"], "spec": deployment["spec"]}
                    ],
                    **_permissions(bodies, deployment),
                },
            },
            "relatedImages": [
                {"name": "operator", "image": release.operator_image},
                {"name": "handler", "image": release.handler_image},
            ],
        },
    }


def _permissions(bodies: list[Body], deployment: Body) -> Body:
    """The rules of the operator's account, which OLM makes itself."""
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    home = deployment["metadata"]["namespace"]
    near: list[Body] = []
    far = [rule for body in _of(bodies, "ClusterRole") for rule in body["rules"]]
    for body in _of(bodies, "Role"):
        (near if body["metadata"]["namespace"] == home else far).extend(body["rules"])
    return {
        "permissions": [{"serviceAccountName": account, "rules": near}],
        "clusterPermissions": [{"serviceAccountName": account, "rules": far}],
    }


def _owned() -> Body:
    (kind,) = (kind for kind in KINDS if kind.name == "NMState")
    return {
        "name": f"{kind.plural}.{GROUP}",
        "kind": kind.name,
        "version": V1,
        "displayName": kind.name,
        "description": "The installation: the operator makes of it everything else that runs.",
    }


def _example() -> Body:
    return {"apiVersion": f"{GROUP}/{V1}", "kind": "NMState", "metadata": {"name": "nmstate"}}


def _of(bodies: Iterable[Body], kind: str) -> Iterator[Body]:
    return (body for body in bodies if body["kind"] == kind)
