"""A node as its administrator sees it: over the lab's own way in, which no policy can cut."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from typing import Any

from e2e.kit.shell import ROOT, eventually, run

__all__ = ["Node"]

# What NetworkManager and the kernel still know of a policy, so that the NICs are activated as at a boot.
_AFRESH = """
rm -f /var/lib/NetworkManager/NetworkManager-intern.conf /run/NetworkManager/devices/*
for nic in eth0 eth1 eth2; do
    ip link set $nic nomaster; ip address flush dev $nic; ip link set $nic mtu 1500; ip link set $nic down
done
for family in -4 -6; do
    ip $family rule show | grep -v l3mdev | cut -d: -f1 | grep -vx -e 0 -e 32766 -e 32767 |
        while read -r priority; do ip $family rule delete priority "$priority"; done
    for kind in blackhole unreachable prohibit; do ip $family route flush table all type $kind; done
done
systemctl start NetworkManager
"""
_OF_NO_LINK = """
for family in -4 -6; do
    ip $family rule show | grep -v l3mdev | grep -vE '^(0|32766|32767):'
    for kind in blackhole unreachable prohibit; do ip $family route show table all type $kind proto static; done
done || true
"""

Json = dict[str, Any]
LAB = str(ROOT / "hack/lab")
PROFILES = "/etc/NetworkManager/system-connections"

# Fields that move by themselves: lifetimes of leases, timers of bridges and what they learned, counters of routes.
VOLATILE = frozenset(
    {
        "valid_life_time",
        "preferred_life_time",
        "expires",
        "cacheinfo",
        "gc_timer",
        "hello_timer",
        "tcn_timer",
        "topology_change_timer",
        "root_id",
        "bridge_id",
        "designated_root",
        "designated_bridge",
        "hold_timer",
        "forward_delay_timer",
        "message_age_timer",
        "state_age",
        "ifindex",
        "link_index",
        "age",
        "fdb_n_learned",
        "used",
    }
)


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _steady(v) for k, v in sorted(value.items()) if k not in VOLATILE}
    if isinstance(value, list):
        return [_steady(v) for v in value]
    return value


@dataclass(frozen=True)
class Node:
    name: str

    def exec(self, *argv: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return run(LAB, "exec", self.name, "--", *argv, check=check, timeout=timeout)

    def sh(self, script: str, *, check: bool = True, timeout: float = 60) -> str:
        return self.exec("sh", "-c", script, check=check, timeout=timeout).stdout

    def power(self, what: str) -> None:
        run(LAB, "power", self.name, what, timeout=240)

    def answers(self) -> bool:
        """Whether it runs commands."""
        return self.exec("true", check=False, timeout=90).returncode == 0

    def console(self) -> str:
        """What its kernel and systemd said, over all its boots."""
        return run(LAB, "logs", self.name, "--console").stdout

    def last_words(self) -> str:
        """What the lab says of a node that does not answer, and the end of its console: why its kernel ended."""
        looks = (("status",), ("logs", self.name, "--console", "-n", "80"))
        return "\n".join(f"hack/lab {' '.join(look)}\n{run(LAB, *look, check=False).stdout}" for look in looks)

    def revive(self) -> str:
        """Switch the node on again where it ended or hangs by itself; its last words, "" where it answers."""
        if self.answers():
            return ""
        words = self.last_words()
        self.power("cut")
        self.power("on")
        return words

    def links(self) -> dict[str, Json]:
        """Interface name to what `ip -j -d addr` says of it."""
        return {link["ifname"]: link for link in json.loads(self.sh("ip -j -d addr show"))}

    def addresses(self, interface: str) -> list[str]:
        """Global addresses of an interface, as ip/prefix."""
        infos = self.links().get(interface, {}).get("addr_info", [])
        return [f"{a['local']}/{a['prefixlen']}" for a in infos if a.get("scope") == "global"]

    def default_routes(self) -> list[Json]:
        return list(json.loads(self.sh("ip -j route show default")))

    def boot_id(self) -> str:
        return self.sh("cat /proc/sys/kernel/random/boot_id").strip()

    def state(self) -> Json:
        """The whole network state, comparable: links, addresses, routes, rules, DNS, host name, profiles, Open vSwitch.

        Pods' veths (which come and go) and fields that move by themselves are left out; DNS servers, whose order
        is that in which leases and advertisements came, are sorted.
        """
        script = (
            "ip -j -d addr show; echo; ip -j route show table all; echo; ip -j -6 route show table all; echo;"
            "ip -j rule; echo; ip -j -6 rule; echo; cat /proc/sys/kernel/hostname; sort /etc/resolv.conf; "
            f"for f in {PROFILES}/*; do echo \"== $f\"; grep -v -e '^timestamp=' -e '^[#[]' -e '^$' \"$f\" | sort; done"
            "; echo '== Open vSwitch'; [ ! -e /run/openvswitch/db.sock ] || "
            "{ ovs-vsctl show | sed 1d | sort; ovs-vsctl get open . external_ids other_config; }"
        )
        lines = self.sh(script).split("\n", 9)
        links, routes4, routes6, rules4, rules6 = (json.loads(line) for line in lines[0:10:2][:5])
        return {
            "links": [_by_nature(_steady(link)) for link in links if not self._is_pod_link(link)],
            "routes": sorted(_key(_route(r)) for r in routes4 + routes6 if not self._is_left_out(r)),
            "rules": [_steady(r) for r in rules4 + rules6 if "l3mdev" not in r],  # the kernel's, since the first VRF
            "files": lines[9],
        }

    def is_again(self, before: Json, *, timeout: float) -> None:
        """Wait until the state is `before` again; the failure shows what differs."""
        try:
            eventually("the state is as before", lambda: self.state() == before, timeout=timeout)
        except AssertionError:
            now = self.state()
            changed = {key: (before[key], now[key]) for key in before if before[key] != now[key]}
            assert not changed, f"{self.name} is not as before: {json.dumps(changed, indent=1)}"

    @staticmethod
    def _is_pod_link(link: Json) -> bool:
        return str(link["ifname"]).startswith(("veth", "cni"))

    @staticmethod
    def _is_left_out(route: Json) -> bool:
        """Pods' routes; and the loopback's own, which are there twice once NetworkManager has activated it."""
        if route.get("dev") == "lo" and route.get("dst") in ("127.0.0.0/8", "::1"):
            return True
        return str(route.get("dev", "")).startswith(("veth", "cni"))

    def reset(self, profiles: dict[str, str]) -> None:
        """Bring the node back to these profiles (file name to content): what a test may leave behind goes."""
        now = self.profiles()
        bridges = self.ovs_bridges()
        if now == profiles and not self._leftover_links() and not bridges and not self.sh(_OF_NO_LINK).strip():
            self.settle()
            return
        self.exec("systemctl", "stop", "NetworkManager")  # else it makes anew what is taken away
        for name in now.keys() - profiles.keys():
            self.exec("rm", "-f", f"{PROFILES}/{name}")
        for name, content in profiles.items():
            if now.get(name) != content:
                run(
                    LAB, "exec", self.name, "--", "sh", "-c",
                    f"umask 077; cat > {PROFILES}/{name}", input=content,
                )  # fmt: skip
        for bridge in bridges:
            self.exec("ovs-vsctl", "--if-exists", "del-br", bridge)
        for link in self._leftover_links():
            self.exec("ip", "link", "delete", link, check=False)
        self.sh(_AFRESH)
        self.settle()

    def settle(self) -> None:
        """Wait until the uplink has what it had at first: both families' addresses, beyond doubt, and routes."""
        eventually(f"the uplink of {self.name} has settled", self._settled, timeout=90)

    def _settled(self) -> bool:
        infos = self.links()["eth0"].get("addr_info", [])
        families = {a["family"] for a in infos if a["scope"] == "global" and not a.get("tentative")}
        routes = self.sh("ip route show default; ip -6 route show default").splitlines()
        return families == {"inet", "inet6"} and not any(a.get("tentative") for a in infos) and len(routes) == 2

    def tell(self) -> str:
        """What a person would look at when the node's network is not as it should be."""
        if not self.answers():
            return f"{self.name} does not answer.\n{self.last_words()}"
        looks = (
            "ls -laR /var/k8s_nmstate",
            f'for f in {PROFILES}/*; do echo "== $f"; cat "$f"; done',
            "ip -d addr; ip route; ip -6 route; nmcli -t device; nmcli -t connection; cat /etc/resolv.conf",
            "journalctl -b --no-pager -n 120 -u NetworkManager -u nmstate-k8s-restore",
        )
        return "\n".join(f"{self.name}$ {look}\n{self.sh(look, check=False)}" for look in looks)

    def profiles(self) -> dict[str, str]:
        """File name to content."""
        told = self.sh(f'cd {PROFILES}; for f in *; do [ -f "$f" ] && echo "$f" && base64 -w0 "$f" && echo; done; true')
        lines = told.splitlines()
        return {name: base64.b64decode(data).decode() for name, data in zip(lines[::2], lines[1::2], strict=True)}

    def ovs_bridges(self) -> list[str]:
        """The names of the Open vSwitch bridges; none where the node has no Open vSwitch."""
        return self.sh("[ ! -e /run/openvswitch/db.sock ] || ovs-vsctl list-br").split()

    def _leftover_links(self) -> list[str]:
        """What is neither a NIC (which are veths here) nor a pod's."""
        kinds = {"bond", "vlan", "bridge", "dummy", "vrf", "vxlan", "macvlan", "veth"}
        return [
            name
            for name, link in self.links().items()
            if link.get("linkinfo", {}).get("info_kind") in kinds
            and name not in ("eth0", "eth1", "eth2")
            and not name.startswith(("cni", "veth"))
        ]


def _route(route: Json) -> Json:
    """The route; where NetworkManager chose its metric (each activation of a NIC may get another one) without it."""
    steady: Json = _steady(route)
    if steady.get("protocol") in ("dhcp", "ra", "kernel"):
        steady.pop("metric", None)
    return steady


def _by_nature(link: Json) -> Json:
    """Without what is the kernel's: the address that it draws for Open vSwitch's device at each start, and who set the
    loopback's addresses (the kernel at boot, NetworkManager once it has activated it).
    """
    if link["ifname"] == "ovs-system":
        return {key: value for key, value in link.items() if key != "address"}
    if link["ifname"] != "lo":
        return link
    addresses = [{k: a[k] for k in ("family", "local", "prefixlen", "scope")} for a in link["addr_info"]]
    return {**link, "addr_info": addresses}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
