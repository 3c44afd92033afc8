"""A container image as a docker-archive, made without any engine: reproducible, one layer."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_image"]


def _entry(name: str, data: bytes, mode: int = 0o644) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    return info, io.BytesIO(data)


def write_image(target: Path, tag: str, files: Mapping[str, bytes], entrypoint: tuple[str, ...]) -> None:
    """Write the image `tag` with these executable files to `target`, which `ctr images import` takes."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for name, data in sorted(files.items()):
            tar.addfile(*_entry(name.lstrip("/"), data, 0o755))
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint)},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{digest}/layer.tar"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": [layer_name]}]
    with tarfile.open(target, "w") as tar:
        tar.addfile(*_entry(config_name, config))
        tar.addfile(*_entry(layer_name, layer.getvalue()))
        tar.addfile(*_entry("manifest.json", json.dumps(manifest).encode()))
