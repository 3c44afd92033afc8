"""Container images into the nodes: from the host's podman, or a tar file; also into nodes that come later."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import agent
from .errors import LabError
from .plan import Node
from .run import output, run
from .session import Session

__all__ = ["load", "load_all"]

IMPORT_TIMEOUT = 300


def _file_name(reference: str) -> str:
    """A file name for an image: readable, and different for different references."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", reference)[-60:].strip("-")
    return f"{readable}-{hashlib.sha256(reference.encode()).hexdigest()[:8]}.tar"


def load(session: Session, image: str, nodes: Sequence[Node], *, name: str | None = None) -> None:
    """Put an image into every node that is on; it is kept for nodes that are off or come later."""
    reference = name or image
    target = session.paths.images / _file_name(reference)
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    if Path(image).is_file():
        shutil.copy(image, new)
    else:
        _save(image, name, new)
    new.rename(target)
    on = [node for node in nodes if session.running(node.name)]
    with ThreadPoolExecutor(max(1, len(on))) as pool:
        for done in [pool.submit(_import, session, node, target) for node in on]:
            done.result()


def _save(image: str, name: str | None, target: Path) -> None:
    try:
        identity = output("podman", "image", "inspect", "--format", "{{.Id}}", image).strip()
    except LabError as error:
        raise LabError(
            f"podman has no image {image}, and no file has that name; see `podman images`", error.output
        ) from error
    if name:
        run("podman", "tag", identity, name)
    run("podman", "save", "--quiet", "--format", "docker-archive", "-o", target, name or image)


def load_all(session: Session, node: Node) -> None:
    """Everything that was loaded so far, into a node that has just come."""
    for file in sorted(session.paths.images.glob("*.tar")):
        _import(session, node, file)


def _import(session: Session, node: Node, file: Path) -> None:
    inside = f"/run/lab/host/images/{file.name}"
    done = agent.execute(
        session, node, "ctr", "-n", "k8s.io", "images", "import", inside, timeout=IMPORT_TIMEOUT
    )
    if done.status:
        raise LabError(f"{node.name} could not import {file.name}", done.stderr.decode(errors="replace"))
