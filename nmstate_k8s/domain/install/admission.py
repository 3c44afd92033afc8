"""What the API server itself refuses: rules in CEL, so that no pod of ours has to be up for them.

- ``nncp-validation-policy``: a policy's name and its selector can be written as labels, since they are.
- ``nmstate-handler-own-objects``: the node's account touches what belongs to the node that its token was
  issued for, and nothing of another node's. A token that names no node is refused.
"""

from __future__ import annotations

__all__ = ["admission"]

from collections.abc import Iterable

from nmstate_k8s.api.meta import GROUP, NODE_LABEL
from nmstate_k8s.domain.install.kinds import ADMISSION_POLICIES, ADMISSION_POLICY_BINDINGS
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack

_LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"

_NAME = "object.metadata.name"
_SELECTOR = "object.spec.nodeSelector"

_POLICY_RULES: Body = {
    "validations": [
        {
            "expression": f"size({_NAME}) <= 63",
            "message": "the name of a policy is used as a label: at most 63 characters",
            "reason": "Invalid",
        },
        {
            "expression": f"{_NAME}.matches('{_LABEL_VALUE}')",
            "message": "the name of a policy is used as a label: letters, digits, '-', '_' and '.', a letter or "
            "digit at both ends",
            "reason": "Invalid",
        },
        {
            "expression": f"!has(object.spec) || !has({_SELECTOR}) || {_SELECTOR}.all(key, "
            f"size({_SELECTOR}[key]) <= 63 && {_SELECTOR}[key].matches('{_LABEL_VALUE}'))",
            "message": "spec.nodeSelector: every value must be a label value: at most 63 letters, digits, '-', '_' "
            "and '.', a letter or digit at both ends",
            "reason": "Invalid",
        },
    ]
}

_NODE_RULES: Body = {
    "variables": [
        {
            "name": "node",
            "expression": "request.userInfo.?extra['authentication.kubernetes.io/node-name'][0].orValue('')",
        },
        {
            # A NodeNetworkState is called as its node; an enactment tells by a label, which a node cannot
            # change: it may write the status only.
            "name": "owner",
            "expression": "request.resource.resource == 'nodenetworkstates' ? "
            "(object == null ? oldObject : object).metadata.name : "
            f"(oldObject == null ? object : oldObject).metadata.?labels['{NODE_LABEL}'].orValue('')",
        },
    ],
    "validations": [
        {
            "expression": "variables.node != ''",
            "message": "the token of the node's handler names no node: it is not bound to a pod on one",
            "reason": "Forbidden",
        },
        {
            "expression": "variables.node == variables.owner",
            "messageExpression": "'the handler of node ' + variables.node + ' may not write what belongs to ' + "
            "(variables.owner == '' ? 'no node' : 'node ' + variables.owner)",
            "message": "the handler of a node may not write what belongs to another one",
            "reason": "Forbidden",
        },
    ],
}


def admission(stack: Stack) -> Iterable[Manifest]:
    """The policies and their bindings."""
    yield from _policy(
        stack,
        "nncp-validation-policy",
        ["CREATE", "UPDATE"],
        ["nodenetworkconfigurationpolicies"],
        _POLICY_RULES,
    )
    account = f"system:serviceaccount:{stack.namespace}:{stack.name('nmstate-handler')}"
    only_handlers = [{"name": "handlers", "expression": f"request.userInfo.username == '{account}'"}]
    yield from _policy(
        stack,
        "nmstate-handler-own-objects",
        ["CREATE", "UPDATE", "DELETE"],
        [
            "nodenetworkstates",
            "nodenetworkstates/status",
            "nodenetworkconfigurationenactments",
            "nodenetworkconfigurationenactments/status",
        ],
        {"matchConditions": only_handlers, **_NODE_RULES},
    )


def _policy(stack: Stack, base: str, operations: list[str], resources: list[str], rules: Body) -> Iterable[Manifest]:
    name = stack.name(base)
    matched = {"apiGroups": [GROUP], "apiVersions": ["*"], "operations": operations, "resources": resources}
    constraints = {"matchPolicy": "Equivalent", "resourceRules": [{**matched, "scope": "*"}]}
    yield stack.manifest(
        ADMISSION_POLICIES,
        name,
        {"spec": {"failurePolicy": "Fail", "matchConstraints": constraints, **rules}},
    )
    yield stack.manifest(ADMISSION_POLICY_BINDINGS, name, {"spec": {"policyName": name, "validationActions": ["Deny"]}})
