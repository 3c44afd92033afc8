"""Container images into the nodes: from the host's podman, or a tar file; also into nodes that come later."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import agent
from .errors import LabError
from .plan import Node
from .run import output, run
from .session import Session

__all__ = ["file_name", "load", "load_missed", "retag"]

IMPORT_TIMEOUT = 300


def file_name(reference: str) -> str:
    """A file name for an image: readable, and different for different references."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", reference)[-60:].strip("-")
    return f"{readable}-{hashlib.sha256(reference.encode()).hexdigest()[:8]}.tar"


def retag(source: Path, target: Path, name: str) -> None:
    """Copy a docker-archive with one image; in the copy it is called `name`."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            if member.name == "repositories":  # an older index of the same names
                continue
            content = old.extractfile(member) if member.isfile() else None
            if member.name == "manifest.json" and content is not None:
                manifest = json.load(content)
                if len(manifest) != 1:
                    raise LabError(f"{source} holds {len(manifest)} images; --as names one")
                manifest[0]["RepoTags"] = [name]
                data = json.dumps(manifest).encode()
                member.size, content = len(data), io.BytesIO(data)
            new.addfile(member, content)


def load(session: Session, image: str, nodes: Sequence[Node], *, name: str | None = None) -> None:
    """Put an image into every node that is on; it is kept for nodes that are off or come later.

    An image that a node has already (the same content by the same name) is not loaded again.
    """
    target = session.paths.images / file_name(name or image)
    identity = _identity(image)
    mark = target.with_suffix(".id")
    if not (target.exists() and mark.exists() and mark.read_text() == identity):
        mark.unlink(missing_ok=True)
        _save(image, name, target)
        mark.write_text(identity)
    on = [node for node in nodes if session.running(node.name)]
    with ThreadPoolExecutor(max(1, len(on))) as pool:
        for done in [pool.submit(_bring, session, node, [target]) for node in on]:
            done.result()


def load_missed(session: Session, node: Node) -> None:
    """What was loaded while the node was off, or before there was such a node."""
    _bring(session, node, sorted(session.paths.images.glob("*.tar")))


def _identity(image: str) -> str:
    file = Path(image)
    if file.is_file():
        facts = file.stat()
        return f"{file.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    try:
        return output("podman", "image", "inspect", "--format", "{{.Id}}", image).strip()
    except LabError as error:
        sentence = f"podman has no image {image}, and no file has that name; see `podman images`"
        raise LabError(sentence, error.output) from error


def _save(image: str, name: str | None, target: Path) -> None:
    """The image as a docker-archive called `name`, whole or not at all."""
    new, saved = target.with_suffix(".new"), target.with_suffix(".saved")
    new.unlink(missing_ok=True)
    saved.unlink(missing_ok=True)
    try:
        source = Path(image)
        if not source.is_file():
            run("podman", "save", "--quiet", "--format", "docker-archive", "-o", saved, image)
            source = saved
        if name:
            retag(source, new, name)
        elif source == saved:
            saved.rename(new)
        else:
            run("cp", "--reflink=auto", source, new)
        new.rename(target)
    finally:
        saved.unlink(missing_ok=True)


def _bring(session: Session, node: Node, files: Sequence[Path]) -> None:
    """Import what the node has not yet. Which that is, is written down beside its disk: it lasts as long."""
    record = session.paths.disks / f"{node.name}.images"
    has: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for file in files:
        identity = file.with_suffix(".id").read_text()
        if has.get(file.name) == identity:
            continue
        inside = f"/run/lab/host/images/{file.name}"
        # The sync: an image must not be gone after a power cut when we have noted that the node has it.
        script = 'ctr -n k8s.io images import "$1" >/dev/null && sync -f /var/lib/containerd'
        done = agent.execute(session.socket_path, node, "sh", "-c", script, "import", inside, timeout=IMPORT_TIMEOUT)
        if done.status:
            raise LabError(f"{node.name} could not import {file.name}", done.stderr.decode(errors="replace"))
        has[file.name] = identity
        record.write_text(json.dumps(has))
