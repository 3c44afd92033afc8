"""Routes through nothing and rules, taken out of the kernel of a network namespace of their own. Needs root."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

_IN_A_NAMESPACE = """
    import json, subprocess, sys
    from nmstate_k8s.domain.host.kernel import take_out
    from nmstate_k8s.domain.host.parachute.remains import foreseen

    def ip(words):
        return subprocess.run(["ip", *words.split()], check=True, capture_output=True, text=True).stdout

    def look():
        routes = [line.strip() for kind in ("blackhole", "unreachable", "prohibit") for family in "46"
                  for line in ip(f"-{family} route show table all type {kind}").splitlines()]
        rules = [" ".join(line.split()) for family in "46" for line in ip(f"-{family} rule").splitlines()]
        return [each for each in routes if "proto static" in each], rules

    ip("link set dev lo up")
    rules = look()[1]
    for route in ("blackhole 10.96.0.1/32", "blackhole 10.96.0.1/32 metric 9", "prohibit 0.0.0.0/0 table 7",
                  "blackhole 10.244.9.0/26", "unreachable 2001:db8::/48", "blackhole 2001:db8:1::/48"):
        ip(f"route add {route} proto static")
    for rule in ("to 10.96.0.1/32 blackhole priority 1100", "from 192.0.2.0/24 lookup 7 priority 1200",
                 "from 192.0.2.0/24 lookup 7 priority 1201 fwmark 5", "to 10.97.0.0/16 lookup 7 priority 1300"):
        ip(f"rule add {rule}")
    ip("-6 rule add to 2001:db8::1/128 prohibit priority 1400")
    for family in "46":
        ip(f"-{family} rule add lookup 9 priority 1500")
    gone = {
        "routes": [
            {"destination": "10.96.0.1/32", "route-type": "blackhole", "table-id": 254, "metric": 9},
            {"destination": "0.0.0.0/0", "route-type": "prohibit", "table-id": 7},
            {"destination": "2001:db8::/48", "route-type": "unreachable", "metric": 1024},
            {"destination": "203.0.113.0/24", "route-type": "blackhole"},
        ],
        "route-rules": [
            {"family": "ipv4", "ip-to": "10.96.0.1/32", "action": "blackhole", "priority": 1100},
            {"family": "ipv4", "ip-from": "192.0.2.0/24", "route-table": 7, "priority": 1201, "fwmark": "0x5"},
            {"family": "ipv6", "ip-to": "2001:db8::1/128", "action": "prohibit", "priority": 1400},
            {"family": "ipv4", "route-table": 9, "priority": 1500},
        ],
    }
    def by_script(gone):
        for line in foreseen(b"{}", {key: {"config": entries} for key, entries in gone.items()}):
            subprocess.run(["ip", *line.split()], check=False, capture_output=True)

    away = {"handler": take_out, "script": by_script}[sys.argv[1]]
    away(gone)
    first = look()
    away(gone)
    print(json.dumps([first[0], [each for each in first[1] if each not in rules], look() == first]))
"""


@pytest.mark.parametrize("way", ["handler", "script"])
def test_what_is_named_goes_and_nothing_else(way: str) -> None:
    """A second time there is nothing to do. `restore.sh` does it by iproute2, before any handler lives again."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", textwrap.dedent(_IN_A_NAMESPACE), way],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    routes, rules, same = json.loads(done.stdout)
    assert [" ".join(each.split()[:2]) for each in routes] == [
        "blackhole 10.96.0.1",
        "blackhole 10.244.9.0/26",
        "blackhole 2001:db8:1::/48",
    ]
    assert "metric" not in routes[0]
    assert rules == [
        "1200: from 192.0.2.0/24 lookup 7",
        "1300: from all to 10.97.0.0/16 lookup 7",
        "1500: from all lookup 9",
    ]
    assert same
