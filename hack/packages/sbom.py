"""What an image is made of, as a CycloneDX bill of materials: the locked packages of Python, Rust and Debian.

- The locks are what the images are built from (`--require-hashes`, `--locked`), so they are what is told; Debian's
  packages are chosen when an image is built, and are read from the built image.
- Without a built image the bill says of itself that it is incomplete.
- The same inputs give the same bill, byte for byte: it has no time, and its number follows from what it says.
"""

from __future__ import annotations

import io
import json
import tarfile
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hack.packages.source import ROOT, Body
from nmstate_k8s import __version__

__all__ = ["IMAGES", "bill", "crates", "debian", "python"]

IMAGES = {
    "handler": ("requirements/controller.lock.txt", "libnmstate/Cargo.lock"),
    "operator": ("requirements/handler.lock.txt", None),
}
"""By image: the lock of its Python packages and that of its Rust crates; as the Dockerfiles install them."""

_PYTHON = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "extra": "",
}
"""Where the packages are installed; what the lock has for elsewhere is not in the image."""

_STATUS = "var/lib/dpkg/status.d/"


def bill(image: str, archive: Path | None = None, version: str = __version__) -> Body:
    """The bill of one image; with the archive that hack/images made of it, Debian's packages too."""
    python_lock, rust_lock = IMAGES[image]
    parts = list(python((ROOT / python_lock).read_text()))
    links: list[Body] = []
    if rust_lock:
        found, links = crates((ROOT / rust_lock).read_text())
        parts += found
    if archive is not None:
        parts += debian(archive)
    parts.sort(key=lambda part: part["bom-ref"])
    root = {
        "type": "container",
        "bom-ref": f"nmstate-k8s-{image}@{version}",
        "name": f"nmstate-k8s-{image}",
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    needed = {"ref": root["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}
    content: Body = {
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [needed, *sorted(links, key=lambda link: link["ref"])],
        "compositions": [{"aggregate": _known(archive), "assemblies": [root["bom-ref"]]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        **content,
    }


def _known(archive: Path | None) -> str:
    return "incomplete" if archive is None else "complete"


def python(lock: str) -> Iterator[Body]:
    """The packages of a lock file that are for our images, with the hashes of the files that pip may take."""
    for entry in lock.replace("\\\n", " ").splitlines():
        text, *hashes = entry.split("--hash=sha256:")
        if not text.strip() or text.startswith("#"):
            continue
        requirement = Requirement(text.strip())
        if requirement.marker is not None and not requirement.marker.evaluate(_PYTHON):
            continue
        (pin,) = requirement.specifier
        name = canonicalize_name(requirement.name)
        yield _part(name, pin.version, f"pkg:pypi/{name}@{pin.version}", hashes)


def crates(lock: str) -> tuple[list[Body], list[Body]]:
    """The crates of a Cargo.lock, and who of them needs whom. Our own is among them, without a hash."""
    packages = tomllib.loads(lock)["package"]
    versions: dict[str, list[str]] = {}
    for package in packages:
        versions.setdefault(package["name"], []).append(package["version"])

    def reference(dependency: str) -> str:
        name, version, *_ = *dependency.split(" "), *versions[dependency.split(" ")[0]]
        return f"pkg:cargo/{name}@{version}"

    parts, links = [], []
    for package in packages:
        own = reference(f"{package['name']} {package['version']}")
        hashes = [package["checksum"]] if "checksum" in package else []
        parts.append(_part(package["name"], package["version"], own, hashes))
        links.append({"ref": own, "dependsOn": sorted(map(reference, package.get("dependencies", ())))})
    return parts, links


def debian(archive: Path) -> Iterator[Body]:
    """Debian's packages in an image, from the records that hack/image/runtime leaves for scanners."""
    with tarfile.open(archive) as image:
        (manifest,) = json.loads(_content(image, "manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_content(image, layer))) as files:
                for member in files:
                    if member.isfile() and _STATUS in member.name:
                        yield _debian(message_from_string(_content(files, member.name).decode()))


def _debian(record: Message) -> Body:
    name, version, arch = (record[key] for key in ("Package", "Version", "Architecture"))
    return _part(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={arch}", ())


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, name
    return file.read()


def _part(name: str, version: str, purl: str, hashes: Iterable[str]) -> Body:
    part: Body = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    files = [{"alg": "SHA-256", "content": each.strip()} for each in hashes]
    if len(files) == 1:
        part["hashes"] = files
    elif files:  # a file for each platform, of which one is taken
        part["externalReferences"] = [{"type": "distribution", "url": purl, "hashes": files}]
    return part
