"""kustomize: manifests/operator is the base; here is how its namespace and its images are set in one place.

A component with a replacement for each place where one of them stands, found by rendering the objects with marks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hack.packages.source import Body, Release, documents, objects

__all__ = ["FOLDER", "SETTINGS", "kustomization"]

FOLDER = "manifests/kustomize"
SETTINGS = "nmstate-settings"

# The namespace last: objects are found by the one that they had.
_MARKS = {"operatorImage": "mark-operator", "handlerImage": "mark-handler", "namespace": "mark-namespace"}
_USE = """# Copy this file and settings.yaml, edit settings.yaml, and `kubectl apply -k` the folder that they are in.
"""
_EDIT = """# What this installation is to have. It is read when kustomize runs and does not reach the cluster.
# Name images by their digest: a tag may be another image tomorrow.
"""


def kustomization(release: Release) -> Iterator[tuple[str, str]]:
    """The generated files, by their path in the folder, with their texts."""
    about = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    parts = {"resources": ["../operator", "settings.yaml"], "components": ["component"]}
    yield "kustomization.yaml", _USE + documents([about | parts])
    yield "settings.yaml", _EDIT + documents([_settings(release)])
    component = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    yield "component/kustomization.yaml", documents([component | {"replacements": list(_replacements())}])


def _settings(release: Release) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": SETTINGS, "annotations": {"config.kubernetes.io/local-config": "true"}},
        "data": {
            "namespace": release.namespace,
            "operatorImage": release.operator_image,
            "handlerImage": release.handler_image,
        },
    }


def _replacements() -> Iterator[Body]:
    """One for each setting."""
    marked = objects(Release(_MARKS["operatorImage"], _MARKS["handlerImage"], _MARKS["namespace"]))
    plain = objects(Release())
    for name, mark in _MARKS.items():
        targets = []
        for body, before in zip(marked, plain, strict=True):
            if places := [".".join(path) for path in _places(body, mark)]:
                targets.append({"select": _select(before), "fieldPaths": places})
        source = {"kind": "ConfigMap", "name": SETTINGS, "fieldPath": f"data.{name}"}
        yield {"source": source, "targets": targets}


def _select(body: Body) -> Body:
    metadata = body["metadata"]
    where = {"namespace": metadata["namespace"]} if "namespace" in metadata else {}
    return {"kind": body["kind"], "name": metadata["name"], **where}


def _places(node: Any, mark: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the mark stands; a variable of a container by its name, anything else in a list by its number."""
    if node == mark:
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _places(value, mark, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            named = path[-1] == "env" and isinstance(value, dict)
            yield from _places(value, mark, (*path, f"[name={value['name']}]" if named else str(index)))
