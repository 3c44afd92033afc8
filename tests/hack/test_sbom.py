"""The bill of materials of an image: everything that is locked for it, and nothing of elsewhere."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hack.packages.sbom import IMAGES, bill, crates, debian, python

ROOT = Path(__file__).parents[2]

LOCK = """\
aiohttp==3.14.5 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
typing-extensions==4.16.0 ; python_full_version < '3.13' \\
    --hash=sha256:dd
Under_Score==1.0 \\
    --hash=sha256:ee
"""

CARGO = """\
[[package]]
name = "ours"
version = "0.1.0"
dependencies = ["one", "two 2.0.0"]

[[package]]
name = "one"
version = "1.0.0"
checksum = "aa"

[[package]]
name = "two"
version = "1.0.0"
checksum = "bb"

[[package]]
name = "two"
version = "2.0.0"
checksum = "cc"
dependencies = ["one"]
"""


def test_python_packages_are_those_of_the_image() -> None:
    """Windows and older Pythons have no part in it; names are as indexes know them."""
    first, second = python(LOCK)
    assert first["purl"] == "pkg:pypi/aiohttp@3.14.5"
    assert [each["content"] for each in first["externalReferences"][0]["hashes"]] == ["aa", "bb"]
    assert second["purl"] == "pkg:pypi/under-score@1.0"
    assert second["hashes"] == [{"alg": "SHA-256", "content": "ee"}]


def test_crates_are_linked_to_the_version_that_they_use() -> None:
    """Of two versions of a crate each is a part of its own."""
    parts, links = crates(CARGO)
    assert [part["purl"].partition("/")[2] for part in parts] == ["ours@0.1.0", "one@1.0.0", "two@1.0.0", "two@2.0.0"]
    assert [len(part.get("hashes", ())) for part in parts] == [0, 1, 1, 1]
    needed = {link["ref"]: link["dependsOn"] for link in links}
    assert needed["pkg:cargo/ours@0.1.0"] == ["pkg:cargo/one@1.0.0", "pkg:cargo/two@2.0.0"]
    assert needed["pkg:cargo/two@2.0.0"] == ["pkg:cargo/one@1.0.0"]


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An image with two layers, of which one has records of Debian's packages."""
    record = (
        b"Package: libssl3t64\nVersion: 1:3.5.9+really-1\nArchitecture: arm64\nDescription: a library\n of two lines\n"
    )
    layers = {
        "one.tar": _tar({"var/lib/dpkg/status.d/libssl3t64": record, "usr/bin/python3": b""}),
        "two.tar": _tar({"app": b"x"}),
    }
    manifest = json.dumps([{"Layers": list(layers)}]).encode()
    path = tmp_path / "image.tar"
    path.write_bytes(_tar({**layers, "manifest.json": manifest}))
    return path


def test_debian_s_packages_are_read_from_the_image(archive: Path) -> None:
    """With version and architecture as they are there."""
    (part,) = debian(archive)
    assert part["purl"] == "pkg:deb/debian/libssl3t64@1%3A3.5.9%2Breally-1?arch=arm64"
    assert part["version"] == "1:3.5.9+really-1"


def _locked(image: str) -> set[str]:
    """What the locks of the checkout have, read in another way."""
    python_lock, rust_lock = IMAGES[image]
    found = re.findall(r"^([\w.-]+)==(\S+) (?!;.*(?:< '3.13'|win32))", (ROOT / python_lock).read_text(), re.MULTILINE)
    names = {f"pkg:pypi/{name}@{version}" for name, version in found}
    if rust_lock:
        packages = tomllib.loads((ROOT / rust_lock).read_text())["package"]
        names |= {f"pkg:cargo/{each['name']}@{each['version']}" for each in packages}
    return names


@pytest.mark.parametrize("image", IMAGES)
def test_everything_locked_is_on_the_bill(image: str) -> None:
    """By its purl; what depends on what refers to parts that are there."""
    told = bill(image)
    references = [part["bom-ref"] for part in told["components"]]
    assert len(set(references)) == len(references)
    assert set(references) == _locked(image)
    known = {*references, told["metadata"]["component"]["bom-ref"]}
    for link in told["dependencies"]:
        assert {link["ref"], *link["dependsOn"]} <= known
    assert "pkg:pypi/aiohttp@" in " ".join(references)


@pytest.mark.parametrize("image", IMAGES)
def test_the_locks_are_what_the_image_is_built_from(image: str) -> None:
    """The Dockerfile installs that lock file and no other."""
    text = (ROOT / f"Dockerfile.{image}").read_text()
    assert set(re.findall(r"requirements/\S+\.txt", text)) == {IMAGES[image][0]}
    assert ("libnmstate-*.whl" in text) == (IMAGES[image][1] is not None)


def test_it_says_whether_it_is_whole(archive: Path) -> None:
    """Without the built image Debian's packages are missing, and whoever reads it is told."""
    assert bill("operator")["compositions"][0]["aggregate"] == "incomplete"
    whole = bill("operator", archive)
    assert whole["compositions"][0]["aggregate"] == "complete"
    assert any(part["name"] == "libssl3t64" for part in whole["components"])


def test_the_same_locks_make_the_same_bill() -> None:
    """Byte for byte, in another process and whatever the time; another version has another number."""
    command = (sys.executable, str(ROOT / "hack/sbom"), "handler")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told: dict[str, Any] = bill("handler")
    assert said == json.dumps(told, indent=2) + "\n"
    assert bill("handler", version="9.9.9")["serialNumber"] != told["serialNumber"]
