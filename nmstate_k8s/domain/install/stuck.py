"""Why pods of the stack do not work, in sentences: which nodes, what is wrong, what to do.

- The first cause that explains a pod is told, and nothing of what follows from it: on a node that is not Ready no
  pod is.
- Pods that suffer from the same are told of together.
- What passes by itself in a moment (a container that is being made, a program that starts) is told when it has lasted.
"""

from __future__ import annotations

__all__ = ["PATIENCE", "explained"]

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from nmstate_k8s.api.meta import HANDLER_COMPONENT
from nmstate_k8s.domain.install.podfacts import PodFacts

PATIENCE: Final = timedelta(seconds=60)
"""How long a pod may take to begin: images of ours come within some 20 s from a registry nearby."""

_MOST_CAUSES: Final = 3
_MOST_NODES: Final = 3

_PULLING: Final = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable")
_BEGINNING: Final = ("", "ContainerCreating", "PodInitializing")
_BACK_OFF: Final = re.compile(r"Back-off pulling image \S+?(: (ErrImagePull: )?|$)")
"""What stands before the kubelet's error while it waits: the same error, so that it is told the same."""


class _Cause(NamedTuple):
    """What is wrong with a pod, and what to do about it. Those of equal `what` are one."""

    what: str
    remedy: str


def explained(pods: Iterable[PodFacts], unready: Collection[str], namespace: str, now: datetime) -> str:
    """Why these do not work; empty where nothing is known against them.

    :param unready: nodes that are not Ready.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for pod in sorted(pods, key=lambda one: (one.node, one.metadata.name)):
        if cause := _cause(pod, unready, namespace, now):
            found.setdefault(cause.what, []).append((pod.node, cause.remedy))
    worst = sorted(found.items(), key=lambda one: -len(one[1]))
    told = [f"{_on([node for node, _ in hit])}{what}; {hit[0][1]}" for what, hit in worst[:_MOST_CAUSES]]
    more = sum(len(hit) for _, hit in worst[_MOST_CAUSES:])
    return ". ".join([*told, *([f"{more} more pods do not work for other reasons"] if more else [])])


def _on(nodes: Sequence[str]) -> str:
    names = [node for node in dict.fromkeys(nodes) if node]
    if not names:
        return ""
    shown, more = names[:_MOST_NODES], len(names) - _MOST_NODES
    return f"on {', '.join(shown)}{f' and {more} others' if more > 0 else ''}: "


def _cause(pod: PodFacts, unready: Collection[str], namespace: str, now: datetime) -> _Cause | None:
    """The first that explains it."""
    if pod.ready:
        return None
    describe = f"see `kubectl describe pod -n {namespace} {pod.metadata.name}`"
    if pod.node in unready:
        return _Cause("the node is not Ready, so nothing of it works", f"see `kubectl describe node {pod.node}`")
    if pod.metadata.deletion_timestamp is not None:
        return None  # its successor is what is waited for
    placed = pod.condition("PodScheduled")
    if placed.status == "False":
        return _Cause(f"no node takes the pod: {placed.message or placed.reason}", _where_it_may_run(pod))
    if pod.status.phase == "Failed":
        return _Cause(f"the pod was ended ({pod.status.reason}): {pod.status.message}", describe)
    logs = f"kubectl logs -n {namespace} {pod.metadata.name}"
    for container in pod.status.container_statuses:
        waiting = container.state.waiting
        if waiting and waiting.reason in _EXPLAINED:
            return _EXPLAINED[waiting.reason](container.image, _BACK_OFF.sub("", waiting.message, count=1))
        ended = container.state.terminated or container.last_state.terminated
        if ended:
            why = f"exit code {ended.exit_code}{f', {ended.reason}' if ended.reason not in ('', 'Error') else ''}"
            words = f": {ended.message}" if ended.message else ""
            return _Cause(f"the program ended ({why}){words}", f"see `{logs} --previous`")
        if waiting and waiting.reason not in _BEGINNING:
            return _Cause(f"the container does not start ({waiting.reason}): {waiting.message}", describe)
    if now - _since(pod, now) < PATIENCE:
        return None
    if any(one.state.waiting for one in pod.status.container_statuses):
        return _Cause("the container has not been made yet", f"{describe}: its events name what is missing")
    return _Cause("it runs and is not ready", f"see `{logs}`")


def _since(pod: PodFacts, now: datetime) -> datetime:
    """Since when it is not ready."""
    return pod.condition("Ready").last_transition_time or pod.metadata.creation_timestamp or now


def _where_it_may_run(pod: PodFacts) -> str:
    ours = pod.metadata.labels.get("component") == HANDLER_COMPONENT
    fields = ("tolerations", "nodeSelector", "affinity") if ours else ("infraTolerations", "infraNodeSelector")
    return f"make room, or change {', '.join(f'spec.{one}' for one in fields)} of the NMState"


def _not_pulled(image: str, message: str) -> _Cause:
    why = f": {message}" if message else ""
    return _Cause(
        f"the image {image} cannot be pulled{why}",
        "see that the registry has it, and that the node reaches the registry and may pull from it",
    )


def _not_loaded(image: str, _: str) -> _Cause:
    return _Cause(
        f"the image {image} is not on the node, and HANDLER_IMAGE_PULL_POLICY is Never",
        "load it there, or let it be pulled",
    )


def _no_name(image: str, _: str) -> _Cause:
    return _Cause(
        f"{image} cannot be an image's name", "correct RELATED_IMAGE_HANDLER_IMAGE in the operator's Deployment"
    )


_EXPLAINED: Final[dict[str, Callable[[str, str], _Cause]]] = {
    **dict.fromkeys(_PULLING, _not_pulled),
    "ErrImageNeverPull": _not_loaded,
    "InvalidImageName": _no_name,
}
"""What a kubelet says of images, by its word for it."""
