"""The small world that a guest's kernel process runs in.

Debian's User-mode Linux needs a newer C library than the host may have, so it runs in a chroot that holds this
library and little else. The chroot is made of mounts in a private mount namespace: nothing of it is seen outside.
"""

from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["KERNEL", "LIBRARIES", "script"]

KERNEL = "/linux.uml"
LIBRARIES = (
    "lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libgcc_s.so.1",
)  # fmt: skip


def script(chroot: Path, kernel_folder: Path, image: Path, lab: Path) -> str:
    """Shell commands that build the chroot: /linux.uml, /image (the nodes' image), /lab (the lab's state)."""
    root, linux, libraries, image_, lab_ = (
        shlex.quote(str(path)) for path in (chroot, kernel_folder / "usr/bin/linux.uml", image / "host", image, lab)
    )
    return f"""set -e
mkdir -p {root}
mount -t tmpfs -o mode=755 lab {root}
cd {root}
mkdir -p proc dev tmp root image lab
cp -a {libraries}/. .
cp {linux} .{KERNEL}
mount --bind /proc proc
mount --bind /dev dev
mount -t tmpfs -o mode=1777,size=100% lab dev/shm
mount --bind {image_} image
mount --bind {lab_} lab
"""
