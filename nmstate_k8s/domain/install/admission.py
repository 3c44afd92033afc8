"""What the API server itself refuses: rules in CEL, so that no pod of ours has to be up for them.

- ``nncp-validation-policy``: a policy's name and its selector can be written as labels, since they are. What a
  policy had before it may keep: its name never changes, and a finalizer must come off an old one, too.
- ``nmstate-handler-own-objects``: of all objects of our group the node's account makes the NodeNetworkState of its
  node and writes its status and that of its enactments. Whose they are is told by the node that the token was issued
  for; a token that names no node is refused.
- ``nmstate-handler-own-events``: the node's account tells events in its own name, and touches nobody else's.

RBAC says most of it already, of kinds. It cannot say which node's object one is, and a role that somebody adds later
does not undo these.
"""

from __future__ import annotations

__all__ = ["admission"]

from collections.abc import Iterable

from nmstate_k8s.api.meta import GROUP, HANDLER_MANAGER, NODE_LABEL
from nmstate_k8s.domain.install.kinds import ADMISSION_POLICIES, ADMISSION_POLICY_BINDINGS
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack

_LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"

_NAME = "object.metadata.name"
_SELECTOR = "object.spec.nodeSelector"
_CLAIM = "request.userInfo.?extra['authentication.kubernetes.io/{}'][0].orValue('')"

_POLICY_RULES: Body = {
    "validations": [
        {
            "expression": f"oldObject != null || size({_NAME}) <= 63",
            "message": "the name of a policy is used as a label: at most 63 characters",
            "reason": "Invalid",
        },
        {
            "expression": f"oldObject != null || {_NAME}.matches('{_LABEL_VALUE}')",
            "message": "the name of a policy is used as a label: letters, digits, '-', '_' and '.', a letter or "
            "digit at both ends",
            "reason": "Invalid",
        },
        {
            "expression": f"!has(object.spec) || !has({_SELECTOR}) || "
            f"(oldObject != null && has(oldObject.spec) && has(oldObject.spec.nodeSelector) && "
            f"oldObject.spec.nodeSelector == {_SELECTOR}) || {_SELECTOR}.all(key, "
            f"size({_SELECTOR}[key]) <= 63 && {_SELECTOR}[key].matches('{_LABEL_VALUE}'))",
            "message": "spec.nodeSelector: every value must be a label value: at most 63 letters, digits, '-', '_' "
            "and '.', a letter or digit at both ends",
            "reason": "Invalid",
        },
    ]
}

_OWNER_IS_THE_NODE = "owner.apiVersion == 'v1' && owner.kind == 'Node' && owner.name == variables.node"

_NODE_RULES: Body = {
    "variables": [
        {"name": "node", "expression": _CLAIM.format("node-name")},
        {
            "name": "write",
            "expression": "request.operation + ' ' + request.resource.resource + "
            "(has(request.subResource) && request.subResource != '' ? '/' + request.subResource : '')",
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
            "expression": "variables.write in ['CREATE nodenetworkstates', 'UPDATE nodenetworkstates/status', "
            "'UPDATE nodenetworkconfigurationenactments/status']",
            "messageExpression": "'the handler of a node may not do this: ' + variables.write",
            "message": "the handler of a node makes its NodeNetworkState and writes status, nothing else",
            "reason": "Forbidden",
        },
        {
            "expression": "variables.node == variables.owner",
            "messageExpression": "'the handler of node ' + variables.node + ' may not write what belongs to ' + "
            "(variables.owner == '' ? 'no node' : 'node ' + variables.owner)",
            "message": "the handler of a node may not write what belongs to another one",
            "reason": "Forbidden",
        },
        {
            "expression": "request.operation != 'CREATE' || ("
            "size(object.metadata.?finalizers.orValue([])) == 0 && "
            "size(object.metadata.?labels.orValue({})) == 0 && "
            "size(object.metadata.?annotations.orValue({})) == 0 && "
            f"object.metadata.?ownerReferences.orValue([]).all(owner, {_OWNER_IS_THE_NODE}))",
            "message": "the NodeNetworkState that a handler makes belongs to its Node, and has no labels, annotations "
            "or finalizers",
            "reason": "Forbidden",
        },
    ],
}

_SPEAKER = "(event.?reportingController.orValue('') == '{}' && event.?reportingInstance.orValue('') in variables.names)"

_EVENT_RULES: Body = {
    "variables": [
        {
            "name": "names",
            "expression": f"[{_CLAIM.format('pod-name')}, {_CLAIM.format('node-name')}].filter(name, name != '')",
        },
    ],
    "validations": [
        {
            "expression": f"[object, oldObject].all(event, event == null || {_SPEAKER.format(HANDLER_MANAGER)})",
            "message": "the handler of a node tells events in the name of its own pod, and changes no others",
            "reason": "Forbidden",
        },
    ],
}


def admission(stack: Stack) -> Iterable[Manifest]:
    """The policies and their bindings."""
    yield from _policy(
        stack,
        "nncp-validation-policy",
        GROUP,
        ["CREATE", "UPDATE"],
        ["nodenetworkconfigurationpolicies"],
        _POLICY_RULES,
    )
    account = f"system:serviceaccount:{stack.namespace}:{stack.name('nmstate-handler')}"
    of_handlers: Body = {
        "matchConditions": [{"name": "handlers", "expression": f"request.userInfo.username == '{account}'"}]
    }
    writes = ["CREATE", "UPDATE", "DELETE"]
    yield from _policy(stack, "nmstate-handler-own-objects", GROUP, writes, ["*/*"], of_handlers | _NODE_RULES)
    yield from _policy(
        stack, "nmstate-handler-own-events", "events.k8s.io", writes, ["events"], of_handlers | _EVENT_RULES
    )


def _policy(
    stack: Stack, base: str, group: str, operations: list[str], resources: list[str], rules: Body
) -> Iterable[Manifest]:
    name = stack.name(base)
    matched = {"apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources}
    constraints = {"matchPolicy": "Equivalent", "resourceRules": [{**matched, "scope": "*"}]}
    yield stack.manifest(
        ADMISSION_POLICIES,
        name,
        {"spec": {"failurePolicy": "Fail", "matchConstraints": constraints, **rules}},
    )
    yield stack.manifest(ADMISSION_POLICY_BINDINGS, name, {"spec": {"policyName": name, "validationActions": ["Deny"]}})
