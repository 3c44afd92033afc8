"""The Helm chart: the objects with marks where values go, and the marks turned into Helm's expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from hack.packages.source import Body, Release, documents, objects
from hack.packages.values import VALUES, defaults, json_schema
from nmstate_k8s.api.meta import GROUP, V1

__all__ = ["CHART", "chart"]

CHART = "manifests/helm/nmstate"

_MARK = re.compile(r"'?mark-(\d+)-mark'?")


class _Marks:
    """Words that stand for expressions while an object is no text yet."""

    def __init__(self) -> None:
        self._expressions: list[str] = []

    def of(self, expression: str) -> str:
        self._expressions.append(expression)
        return f"mark-{len(self._expressions) - 1}-mark"

    def resolved(self, text: str) -> str:
        return _MARK.sub(lambda found: f"{{{{ {self._expressions[int(found[1])]} }}}}", text)


def chart(release: Release) -> Iterator[tuple[str, str]]:
    """The generated files of the chart, by their path in it, with their texts."""
    yield "Chart.yaml", documents([_about(release)])
    yield "values.yaml", _values(release)
    yield "values.schema.json", json.dumps(json_schema(), indent=2) + "\n"
    marks = _Marks()
    namespace = marks.of(".Release.Namespace | quote")
    for body in objects(Release(namespace=namespace)):
        yield _template(body, marks, namespace)
    yield "templates/nmstate.yaml", _nmstate()


def _about(release: Release) -> Body:
    return {
        "apiVersion": "v2",
        "name": "nmstate",
        "description": "Node networking, declared: policies applied by libnmstate, probed, kept or rolled back",
        "type": "application",
        "version": release.version,
        "appVersion": release.version,
        "kubeVersion": ">=1.30.0-0",  # ValidatingAdmissionPolicy is v1
        "annotations": {"artifacthub.io/license": "Apache-2.0", "artifacthub.io/operator": "true"},
    }


def _template(body: Body, marks: _Marks, namespace: str) -> tuple[str, str]:
    """An object's file in the chart, and its text; what is not in the release's namespace says so in its name."""
    kind, where = body["kind"], body["metadata"].get("namespace", "")
    if kind == "CustomResourceDefinition":
        return f"crds/{body['metadata']['name']}.yaml", documents([body])
    if kind == "Deployment":
        for value in VALUES:
            if value.place is not None:
                holder, key = value.place(body)
                holder[key] = marks.of(value.expression)
    text = marks.resolved(documents([body]))
    if kind == "Namespace":
        text = f"{{{{- if .Values.namespace.create }}}}\n{text}{{{{- end }}}}\n"
    part = "" if where in ("", namespace) else f"-{where}"
    return f"templates/{kind.lower()}{part}.yaml", text


def _nmstate() -> str:
    return (
        "{{- if .Values.nmstate.create }}\n"
        f"apiVersion: {GROUP}/{V1}\n"
        "kind: NMState\n"
        "metadata:\n"
        "  name: nmstate\n"
        "spec: {{ toJson .Values.nmstate.spec }}\n"
        "{{- end }}\n"
    )


def _values(release: Release) -> str:
    """values.yaml, each value with its description."""
    images = {"operator.image": release.operator_image, "handler.image": release.handler_image}
    lines: list[str] = []
    group = ""
    for value, default in defaults():
        first, _, rest = value.name.partition(".")
        if rest and first != group:
            lines.append(f"{first}:")
        group = first
        indent = "  " if rest else ""
        lines += [f"{indent}# {line}" for line in _wrapped(value.text)]
        lines.append(_entry(rest or first, images.get(value.name, default), indent))
    return "\n".join(lines) + "\n"


def _entry(key: str, default: Any, indent: str) -> str:
    text = yaml.safe_dump({key: default}, sort_keys=False, width=110).rstrip("\n")
    return "\n".join(indent + line for line in text.splitlines())


def _wrapped(text: str, width: int = 100) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line
