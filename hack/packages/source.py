"""What is installed by hand: the operator, its rules, the kind NMState. Everything else the operator installs.

manifests/operator has the parts that are written by hand; the rules follow from what the operator does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nmstate_k8s import __version__
from nmstate_k8s.domain.install.operator_access import operator_access

__all__ = ["NAMESPACE", "ROOT", "Body", "Release", "container", "documents", "objects", "parsed", "variable"]

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = ROOT / "manifests/operator"
NAMESPACE = "nmstate"

Body = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """What differs from one package of this source to another."""

    operator_image: str = "localhost/nmstate-k8s-operator:dev"
    handler_image: str = "localhost/nmstate-k8s-handler:dev"
    namespace: str = NAMESPACE
    version: str = __version__
    architectures: tuple[str, ...] = ("amd64",)
    """Of the machines that the images are for."""

    @property
    def pinned(self) -> bool:
        """Whether both images are named by their digest: a tag may be another image tomorrow."""
        return all("@sha256:" in image for image in (self.operator_image, self.handler_image))


def objects(release: Release) -> list[Body]:
    """All objects, in an order in which they can be applied."""
    bodies: list[Body] = []
    for path in _resources(OPERATOR):
        generated = path.name == "rbac.yaml"
        bodies += operator_access(release.namespace) if generated else parsed(path.read_text())
    for body in bodies:
        metadata = body["metadata"]
        if body["kind"] == "Namespace":
            metadata["name"] = metadata["labels"]["name"] = release.namespace
        elif metadata.get("namespace") == NAMESPACE:
            metadata["namespace"] = release.namespace
        if body["kind"] == "Deployment":
            container(body)["image"] = release.operator_image
            variable(body, "RELATED_IMAGE_HANDLER_IMAGE")["value"] = release.handler_image
    return bodies


def parsed(text: str) -> list[Body]:
    """The objects of a text; by the C library where there is one, since the CRDs are long."""
    return [body for body in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if body]


def container(deployment: Body) -> Body:
    """The one container of the operator's Deployment."""
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return only  # type: ignore[no-any-return]


def variable(deployment: Body, name: str) -> Body:
    """A variable of the operator's environment."""
    (only,) = (one for one in container(deployment)["env"] if one["name"] == name)
    return only  # type: ignore[no-any-return]


def documents(bodies: Iterable[Body]) -> str:
    """The objects as YAML, one after the other."""
    return yaml.dump_all(bodies, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)


def _resources(folder: Path) -> Iterator[Path]:
    """The files that a kustomization names, in its order."""
    (kustomization,) = (path for path in folder.iterdir() if path.name.lower().startswith("kustomization"))
    for name in yaml.safe_load(kustomization.read_text())["resources"]:
        path = (folder / name).resolve()
        if path.is_dir():
            yield from _resources(path)
        else:
            yield path


class _Plain(yaml.SafeDumper):
    """YAML without anchors: every object can be read on its own."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
