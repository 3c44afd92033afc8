"""The core can be published alone: it needs nothing else of this repository."""

import shutil
import subprocess
import sys
from pathlib import Path

from nmstate_k8s import core

IMPORT_ALL = """
import importlib, pathlib, sys
import nmstate_k8s.core
folder = pathlib.Path(nmstate_k8s.core.__file__).parent
names = [f"nmstate_k8s.core.{file.stem}" for file in folder.glob("*.py") if file.stem != "__init__"]
for name in names:
    importlib.import_module(name)
print(folder, len(names), *(name for name in sys.modules if name.startswith(("nmstate_k8s", "libnmstate"))))
"""


def test_a_copy_of_its_folder_is_all_that_it_needs(tmp_path: Path) -> None:
    """Beside what it is said to depend on."""
    copied = tmp_path / "nmstate_k8s" / "core"
    shutil.copytree(Path(core.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder, count, *modules = done.stdout.split()
    assert Path(folder) == copied
    assert int(count) > 40
    assert {name.split(".")[1] for name in modules if "." in name} == {"core"}
    assert not [name for name in modules if name.startswith("libnmstate")]
