"""Alternative names of an interface, set in the kernel of a network namespace of their own. Needs root."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

_IN_A_NAMESPACE = """
    import json, subprocess
    from libnmstate import raw

    def ip(*argv):
        return subprocess.run(["ip", *argv], check=True, capture_output=True, text=True).stdout

    def look():
        (link,) = json.loads(ip("-j", "link", "show", "dev", "d0"))
        return sorted(link.get("altnames", [])), "UP" in link["flags"], link["address"]

    ip("link", "add", "d0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "d1")
    ip("link", "property", "add", "dev", "d0", "altname", "old")
    seen = [look()]
    raw.set_alternative_names({"d0": {"old": False, "new": True}})
    seen.append(look())
    raw.set_alternative_names({"d0": {"new": False}})
    seen.append(look())
    try:
        raw.set_alternative_names({"d2": {"new": False}})
    except Exception as error:
        seen.append(type(error).__name__)
    print(json.dumps(seen))
"""


def test_names_come_and_go_and_nothing_else_of_the_link_changes() -> None:
    script = textwrap.dedent(_IN_A_NAMESPACE)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    address = "02:00:00:00:00:01"
    assert json.loads(done.stdout) == [
        [["old"], False, address],
        [["new"], False, address],
        [[], False, address],
        "PluginFailure",
    ]
