"""Debian packages and trees, from the mirror that this machine itself uses; the host's apt is left as it is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .errors import LabError
from .run import caged, output, run

__all__ = ["GUEST_SUITE", "download", "mirror", "parse_mirror", "source_lines", "tree", "unpack"]

GUEST_SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def parse_mirror(text: str) -> str | None:
    """The first address in an apt source list (either style) that serves Debian's main archive."""
    deb822 = re.search(r"(?im)^URIs:\s*(\S+/debian/?)\s*$", text)
    if deb822:
        return deb822.group(1).rstrip("/")
    line = re.search(r"(?m)^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+/debian/?)\s", text)
    return line.group(1).rstrip("/") if line else None


def mirror() -> str:
    """The Debian mirror of this machine's own apt."""
    lists = Path("/etc/apt")
    for source in [lists / "sources.list", *sorted((lists / "sources.list.d").glob("*"))]:
        if source.is_file() and (found := parse_mirror(source.read_text(errors="replace"))):
            return found
    raise LabError("no Debian mirror is named in /etc/apt/sources.list or /etc/apt/sources.list.d; add one there")


def source_lines(suite: str, *, sources: bool = False) -> str:
    kinds = ("deb", "deb-src") if sources else ("deb",)
    return "".join(f"{kind} [signed-by={KEYRING}] {mirror()} {suite} main\n" for kind in kinds)


def tree(target: Path, packages: tuple[str, ...], log: Path, *, suite: str = GUEST_SUITE) -> None:
    """A minimal Debian tree with these packages and without manuals and translations."""
    new = target.with_name(target.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    excluded = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
    run(
        *caged([
            "mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(packages)}",
            "--aptopt=Acquire::Languages \"none\"", *(f"--dpkgopt=path-exclude={path}" for path in excluded),
            suite, new, "-",
        ]),
        stdin=source_lines(suite), log=log, what="making the nodes' Debian tree",
    )  # fmt: skip
    new.rename(target)


def download(package: str, suite: str, folder: Path) -> Path:
    """The .deb of one package, by an apt of its own: no list, pin or lock of the host is touched."""
    apt = folder / "apt"
    shutil.rmtree(apt, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "empty"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(source_lines(suite))
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": apt / "empty",
        "Dir::Etc::preferencesparts": apt / "empty",
        "Dir::State": apt,
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",  # a mirror that stands still serves as well; signatures are checked
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    run("apt-get", *options, "update", what=f"reading the package list of {suite}")
    run("apt-get", *options, "download", package, cwd=folder, what=f"downloading {package} of {suite}")
    shutil.rmtree(apt)
    found = sorted(folder.glob(f"{package}_*.deb"))
    if not found:
        raise LabError(f"apt downloaded no {package} from {suite}; see `apt-get download {package}` there")
    return found[-1]


def unpack(package: Path, target: Path) -> None:
    output("dpkg-deb", "-x", package, target)
