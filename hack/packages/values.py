"""What a user of the Helm chart can set: name, place in the operator's Deployment, schema, description."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hack.packages.source import Body, Release, container, objects, variable
from nmstate_k8s.api.crd import schema
from nmstate_k8s.api.nmstate import NMStateSpec

__all__ = ["Value", "VALUES", "defaults", "json_schema"]

Place = Callable[[Body], tuple[Body, str]]
"""In a Deployment, the mapping that holds the value, and its key there."""


@dataclass(frozen=True)
class Value:
    """One setting of the chart."""

    name: str
    """With dots between its parts."""
    text: str
    schema: Body
    place: Place | None = None
    """Where its default stands, and where it goes; None for what no Deployment has."""
    default: Any = None
    """For what has no place."""

    @property
    def expression(self) -> str:
        """Whatever Helm puts where the value goes: JSON is YAML, too, and needs no indentation."""
        kept_as_text = self.schema["type"] in ("string", "integer")
        return f".Values.{self.name} | quote" if kept_as_text else f"toJson .Values.{self.name}"


def _container(key: str) -> Place:
    return lambda deployment: (container(deployment), key)


def _pod(key: str) -> Place:
    return lambda deployment: (deployment["spec"]["template"]["spec"], key)


def _variable(name: str) -> Place:
    return lambda deployment: (variable(deployment, name), "value")


_IMAGE: Body = {"type": "string", "pattern": r"^[^\s@]+(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$"}
_PULL: Body = {"type": "string", "enum": ["IfNotPresent", "Always", "Never"]}
_SECONDS: Body = {"type": "integer", "minimum": 0}
_LABELS: Body = {"type": "object", "additionalProperties": {"type": "string"}}


def _plain(told: Any) -> Any:
    """A schema of the API server's kind, as JSON Schema: without its extensions, and strict about names."""
    if isinstance(told, list):
        return [_plain(each) for each in told]
    if not isinstance(told, dict):
        return told
    plain = {key: _plain(each) for key, each in told.items() if not key.startswith("x-") and key != "nullable"}
    if plain.get("format") == "int64":
        del plain["format"]
    if "properties" in plain and plain.get("type") == "object":
        plain["additionalProperties"] = False
    return plain


VALUES = (
    Value("operator.image", "The operator's image; best with its digest.", _IMAGE, _container("image")),
    Value("operator.imagePullPolicy", "When it is pulled.", _PULL, _container("imagePullPolicy")),
    Value("operator.resources", "What the operator's pod asks for.", {"type": "object"}, _container("resources")),
    Value("operator.nodeSelector", "Labels of the nodes that it may run on.", _LABELS, _pod("nodeSelector")),
    Value("operator.tolerations", "Taints that it tolerates.", {"type": "array"}, _pod("tolerations")),
    Value("operator.affinity", "Which nodes it prefers.", {"type": "object"}, _pod("affinity")),
    Value(
        "handler.image",
        "The image of the handlers and of the controller; best with its digest.",
        _IMAGE,
        _variable("RELATED_IMAGE_HANDLER_IMAGE"),
    ),
    Value("handler.imagePullPolicy", "When it is pulled.", _PULL, _variable("HANDLER_IMAGE_PULL_POLICY")),
    Value(
        "handler.prefix",
        "Names of installed objects begin with it and a dash; empty for none.",
        {"type": "string", "pattern": r"^([a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?)?$"},
        _variable("HANDLER_PREFIX"),
    ),
    Value(
        "consolePlugin.image",
        "The image of OpenShift's console plugin, installed where the console is; empty for none.",
        {"type": "string", "pattern": rf"^$|{_IMAGE['pattern']}"},
        _variable("RELATED_IMAGE_CONSOLE_PLUGIN_IMAGE"),
    ),
    Value(
        "retries.attempts",
        "How often a node tries a policy before it has failed for good.",
        {"type": "integer", "minimum": 1},
        _variable("NNCP_MAX_RETRIES"),
    ),
    Value(
        "retries.firstDelaySeconds",
        "The delay before the second attempt; it doubles from one to the next.",
        _SECONDS,
        _variable("NNCP_INITIAL_BACKOFF_SECONDS"),
    ),
    Value(
        "retries.longestDelaySeconds",
        "The longest delay between two attempts.",
        _SECONDS,
        _variable("NNCP_MAX_BACKOFF_SECONDS"),
    ),
    Value(
        "monitoringNamespace",
        "Where Prometheus runs.",
        {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
        _variable("MONITORING_NAMESPACE"),
    ),
    Value(
        "namespace.create",
        "Whether the chart has the namespace of its release, with the labels that admit privileged pods. The"
        " operator sees to these labels in any case, so `helm install --create-namespace` does as well.",
        {"type": "boolean"},
        default=False,
    ),
    Value(
        "nmstate.create",
        "Whether the chart has the NMState, by which everything is installed. Then delete the NMState before the"
        " release, so that the operator sees it go.",
        {"type": "boolean"},
        default=False,
    ),
    Value(
        "nmstate.spec",
        "The NMState's spec, whose fields docs/reference/fields.md has.",
        _plain(schema(NMStateSpec)),
        default={},
    ),
)


def defaults() -> Iterator[tuple[Value, Any]]:
    """Each value with its default: what the operator's own manifests say."""
    (deployment,) = (body for body in objects(Release()) if body["kind"] == "Deployment")
    for value in VALUES:
        default = value.default
        if value.place is not None:
            holder, key = value.place(deployment)
            default = int(holder[key]) if value.schema["type"] == "integer" else holder[key]
        yield value, default


def json_schema() -> Body:
    """values.schema.json: a name that is misspelt, or a value of the wrong type, is refused by Helm."""
    root: Body = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values", **_object()}
    root["properties"]["global"] = {"type": "object"}  # what a chart above this one passes to all
    for value in VALUES:
        *groups, last = value.name.split(".")
        place = root
        for group in groups:
            place = place["properties"].setdefault(group, _object())
        place["properties"][last] = {"description": value.text, **value.schema}
    return root


def _object() -> Body:
    return {"type": "object", "additionalProperties": False, "properties": {}}
