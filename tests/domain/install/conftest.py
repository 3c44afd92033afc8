"""A stack to render, and what it consists of by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import InstallSettings, Stack
from nmstate_k8s.domain.install.surroundings import UNKNOWN, Surroundings
from nmstate_k8s.domain.kinds import NMSTATES

Render = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def stack_of() -> Callable[..., Stack]:
    """Make a stack of an NMState's spec, its labels and the operator's settings."""

    def make(spec: dict[str, Any] | None = None, labels: dict[str, str] | None = None, **settings: Any) -> Stack:
        nmstate = Object.from_dict(
            {"metadata": {"name": "nmstate", "uid": "uid-1", "labels": labels or {}}, "spec": spec or {}},
            NMSTATES,
        )
        told = InstallSettings(handler_image="registry/handler:1", version="1.2.3", **settings)
        return Stack.of(nmstate, nmstate.view(NMState).spec, told)

    return make


@pytest.fixture
def rendered(stack_of: Callable[..., Stack]) -> Render:
    """The bodies of a rendered stack by `Kind namespace/name`."""

    def make(*args: Any, around: Surroundings = UNKNOWN, **settings: Any) -> dict[str, dict[str, Any]]:
        return {str(manifest): manifest.body for manifest in render(stack_of(*args, **settings), around)}

    return make
