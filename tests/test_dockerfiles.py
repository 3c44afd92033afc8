"""What must be true of the images without building them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILES = [ROOT / "Dockerfile.handler", ROOT / "Dockerfile.operator"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix)
def test_the_base_image_is_the_only_address(path: Path) -> None:
    """Everything else comes from where the builder's own configuration says."""
    text = path.read_text()
    assert re.findall(r"[\w.-]+\.(?:io|com|org|dev)\b[^\s]*", text) == ["docker.io/library/debian:trixie-slim"]
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"${BASE_IMAGE}", "scratch"}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix)
def test_the_user_is_a_number_that_is_not_root(path: Path) -> None:
    """`runAsNonRoot` can only be checked for numbers."""
    users = re.findall(r"^USER (\d+):\d+$", path.read_text(), re.M)
    assert users
    assert "0" not in users


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix)
def test_what_is_copied_is_let_into_the_context(path: Path) -> None:
    """.dockerignore lets through what the Dockerfile copies."""
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.*)$", path.read_text(), re.M) for source in line.split()[:-1]
    }
    assert copied <= let_in


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix)
def test_requirements_are_checked_by_hash(path: Path) -> None:
    """Nothing is installed from an index but what the lock file names, byte for byte."""
    for command in re.findall(r"pip install[^&]*", path.read_text()):
        assert "--require-hashes" in command or "--no-index" in command


def test_the_compiler_of_libnmstate_is_checked_by_hash() -> None:
    """Whoever could change it could change what runs as root on every node."""
    text = (ROOT / "hack/wheel").read_text()
    assert re.findall(r'"install".*\n.*"--require-hashes", "-r", LOCK', text)
    pin, *hashes = (ROOT / "requirements/maturin.lock.txt").read_text().split()
    assert re.fullmatch(r"maturin==\d+\.\d+\.\d+", pin)
    assert any(word.startswith("--hash=sha256:") for word in hashes)
    assert "--locked" in text  # and the crates that it compiles
