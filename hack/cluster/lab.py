"""Bringing a whole lab up and down: converges to what is wanted, whatever state it finds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from . import controlplane, dnsmasq, guest, images, kernel, network, nodes, plan
from .api import Api
from .errors import LabError
from .locks import end_holder, exclusive
from .paths import Paths
from .pki import Pki
from .plan import Node
from .say import Progress
from .session import Session

__all__ = ["Settings", "down", "exists", "find_nodes", "known_nodes", "refuse_other", "settings", "up"]


@dataclass(frozen=True)
class Settings:
    """What a lab was made of; set when it is made, and kept until it is taken down."""

    nodes: int
    memory: int
    kernel: str
    image: str
    open_vswitch: bool


def _settings_file(paths: Paths) -> Path:
    return paths.state / "settings.json"


def settings(paths: Paths) -> Settings:
    try:
        return Settings(**json.loads(_settings_file(paths).read_text()))
    except FileNotFoundError as error:
        raise LabError("the lab was not brought up to its end; run `hack/lab up`") from error
    except (TypeError, ValueError) as error:
        raise LabError("the lab was made by another version of `hack/lab`; take it down: `hack/lab down`") from error


def known_nodes(paths: Paths) -> list[Node]:
    return [Node(index) for index in range(1, settings(paths).nodes + 1)]


def find_nodes(paths: Paths, names: Sequence[str]) -> list[Node]:
    known = {node.name: node for node in known_nodes(paths)}
    for name in names:
        if name not in known:
            raise LabError(f"there is no node {name}; the lab has {', '.join(known)}")
    return [known[name] for name in names]


def exists(paths: Paths) -> bool:
    """Whether a lab runs that may be completed. One that was left half made is not."""
    return Session.find(paths) is not None and _settings_file(paths).exists()


def up(paths: Paths, progress: Progress, *, count: int | None, memory: int, open_vswitch: bool = False) -> Session:
    """A lab with its nodes on and Ready. One that runs already is completed: parts and nodes that lack are started.

    `count`: nodes wanted; a running lab gets more, never fewer. None: as many as it has, or 2.
    """
    session = Session.find(paths)
    if session is not None and not exists(paths):
        progress.tell("a lab was left half made: taking it down first")
        session.finish()
        session = None
    if session is None:
        shutil.rmtree(paths.state, ignore_errors=True)
        session = _begin(paths, progress, count or 2, memory, open_vswitch)
    else:
        refuse_other(paths, settings(paths), open_vswitch=open_vswitch)
    if count and count > settings(paths).nodes:
        _save(paths, Settings(**{**asdict(settings(paths)), "nodes": count}))
    _converge(session, progress)
    return session


def refuse_other(paths: Paths, running: Settings, *, open_vswitch: bool) -> None:
    """
    :raises LabError: if the running lab is not one that would be made now.
    """
    kernel_now, image_now = kernel.find(paths), guest.place(paths, open_vswitch=running.open_vswitch)
    if (running.kernel, running.image) != (str(kernel_now), str(image_now)):
        raise LabError(
            "the running lab was made by another version of `hack/lab`, or of what its nodes are made of: "
            f"they run from {running.image}, this checkout makes {image_now or 'nothing yet'}. "
            "Take it down first (`hack/lab down`), or begin another beside it (XDG_STATE_HOME=FOLDER)"
        )
    if open_vswitch and not running.open_vswitch:
        raise LabError("the running lab has no Open vSwitch; take it down first: `hack/lab down`")


def _save(paths: Paths, wanted: Settings) -> None:
    new = _settings_file(paths).with_suffix(".new")
    new.write_text(json.dumps(asdict(wanted)))
    new.rename(_settings_file(paths))


def _begin(paths: Paths, progress: Progress, count: int, memory: int, open_vswitch: bool) -> Session:
    linux, image = kernel.find(paths), guest.find_image(paths, open_vswitch=open_vswitch)
    if linux is None or image is None:
        raise LabError("parts of the lab are not built; run `hack/lab build`")
    session = Session.begin(paths)
    network.set_up(session)
    nodes.enter_chroot(session, linux, image)
    _save(paths, Settings(count, memory, str(linux), str(image), open_vswitch))
    progress.tell("namespaces and wires are there")
    return session


def _converge(session: Session, progress: Progress) -> None:
    paths = session.paths
    pki = Pki(paths.pki)
    wanted = known_nodes(paths)
    pki.make_control_plane()
    parts = session.parts()
    started = []
    dnsmasq.start(session, plan.WIRES[0])
    for node in wanted:
        if not parts.get(node.name, {}).get("running"):
            nodes.prepare(session, node, pki)
            if node.name not in parts:
                network.add_node(session, node)
            nodes.on(session, node, memory=settings(paths).memory)
            started.append(node)
    controlplane.forwarder(session)
    controlplane.start(session, pki, controlplane.SERVERS)
    pki.kubeconfig(paths.kubeconfig, "admin", f"https://127.0.0.1:{session.port}")
    api = Api(session)
    with progress.step("control plane") if started else nullcontext():
        controlplane.wait_ready(api, timeout=120)
        for node in wanted:
            nodes.label(api, node)
        controlplane.start(session, pki, controlplane.CLIENTS)
    with ThreadPoolExecutor(len(wanted)) as pool:
        for waiting in [pool.submit(_await_node, session, node, progress, node in started) for node in wanted]:
            waiting.result()
    controlplane.wait_services(session, timeout=60)


def _await_node(session: Session, node: Node, progress: Progress, new: bool) -> None:
    if new:
        with progress.step(f"{node.name} answers"):
            nodes.wait_answer(session, node)
        with progress.step(f"{node.name} Ready"):
            nodes.wait_ready(session, node)
        images.load_missed(session, node)
    else:
        nodes.wait_ready(session, node)


def down(paths: Paths) -> bool:
    """End the lab and forget it, disks and all; an `up` that is under way is ended first. False: there was none."""
    interrupted = end_holder(paths)
    with exclusive(paths):
        session = Session.find(paths)
        if session is not None:
            session.finish()
        existed = paths.state.exists()
        shutil.rmtree(paths.state, ignore_errors=True)
    return existed or interrupted
