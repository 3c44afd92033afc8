"""What the types say to the API server beyond their shape: the extensions of the OpenAPI schema."""

from __future__ import annotations

__all__ = ["NetworkState", "IntOrString", "NodeSelector", "rule", "describe"]

from typing import Annotated, Any

from msgspec import Meta

_PRESERVED: dict[str, Any] = {
    "type": "object",
    "nullable": True,
    "x-kubernetes-preserve-unknown-fields": True,
}

NetworkState = Annotated[Any, Meta(extra_json_schema=_PRESERVED)]
"""A state in nmstate's language. Its keys are nmstate's affair, the API server keeps them all."""

IntOrString = Annotated[
    int | str,
    Meta(extra_json_schema={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
]
"""A number, or a percentage such as ``25%``."""


def describe(text: str, **schema: Any) -> Meta:
    """The description of a field, and what else its schema says (``maxLength``, ``default``, …)."""
    return Meta(description=text, extra_json_schema=schema or None)


def rule(expression: str, message: str) -> dict[str, Any]:
    """A CEL rule for ``x-kubernetes-validations``."""
    return {"rule": expression, "message": message}


_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

NodeSelector = Annotated[
    dict[str, Annotated[str, Meta(max_length=63, pattern=rf"^({_LABEL})?$")]],
    Meta(
        extra_json_schema={
            "maxProperties": 64,
            "x-kubernetes-validations": [
                rule(
                    f"self.all(key, key.matches('^({_SUBDOMAIN}/)?{_LABEL}$'))",
                    "the keys must be names of labels: an optional DNS prefix and a slash, then at most 63 letters,"
                    " digits, '-', '_' or '.', beginning and ending with a letter or digit",
                ),
                rule(
                    "self.all(key, key.size() <= 317 && key.split('/')[key.split('/').size() - 1].size() <= 63)",
                    "the keys must be names of labels: at most 63 characters, after a prefix of at most 253",
                ),
            ],
        }
    ),
]
"""Labels that a node must have, all of them."""
