"""The lab keeps its promises: nodes with power, cables and disks; services and logs; an end that leaves nothing.

A lab of its own, beside the one that the other tests use: labs do not see one another.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from e2e.kit import CommandFailed, eventually, run
from e2e.kit.shell import ROOT
from hack.cluster.archive import write_image

LAB = str(ROOT / "hack/lab")
SERVER = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(8080)};
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&any, sizeof any) || listen(server, 9)) return 1;
    puts("listening");
    fflush(stdout);
    for (;;) {
        char name[64] = {0}, answer[256], request[4096];
        int client = accept(server, 0, 0);
        gethostname(name, sizeof name - 1);
        read(client, request, sizeof request);
        int size = snprintf(answer, sizeof answer, "HTTP/1.0 200 OK\r\n\r\nhere is %s\n", name);
        write(client, answer, size);
        close(client);
    }
}
"""
PODS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "localhost/web:1", imagePullPolicy: Never}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, clusterIP: 10.96.7.7, ports: [{port: 80, targetPort: 8080}]}
"""


@pytest.fixture(autouse=True)
def fresh_nodes() -> None:
    """These tests have a lab of their own: nothing of the common one to put back."""


class Lab:
    """`hack/lab` with a state folder of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.env = {**os.environ, "XDG_STATE_HOME": str(state)}

    def __call__(self, *words: str, check: bool = True, timeout: float = 600) -> str:
        return run(LAB, *words, check=check, timeout=timeout, env=self.env).stdout

    def sh(self, node: str, script: str) -> str:
        return self("exec", node, "--", "sh", "-c", script).strip()

    def shows(self, node: str, script: str, text: str) -> bool:
        return text in self.sh(node, script)

    def boot(self, node: str) -> str:
        return self.sh(node, "cat /proc/sys/kernel/random/boot_id")

    def processes(self) -> list[str]:
        """Command lines of the living processes that this lab, or a command of it, has started."""
        mark = f"XDG_STATE_HOME={self.state}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                if mark in environment:
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it ended while we looked, or is none of ours
        return found

    def assert_gone(self) -> None:
        eventually("no process of the lab is left", lambda: not self.processes(), timeout=10)
        assert str(self.state) not in Path("/proc/mounts").read_text()
        assert not (self.state / "nmstate-k8s/lab").exists()
        assert "n1eth0" not in Path("/proc/net/dev").read_text()
        assert "lab" not in run("ip", "netns", "list").stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab("up", "--nodes", "2", timeout=1800)
    yield lab
    lab("down")
    lab.assert_gone()


def test_a_second_up_changes_nothing(lab: Lab) -> None:
    before = lab.boot("node1")
    began = time.monotonic()
    lab("up")
    assert time.monotonic() - began < 10
    assert lab.boot("node1") == before
    assert lab("status").count("running") == 7


def test_nodes_are_what_suites_expect(lab: Lab) -> None:
    """Both nodes worker, one control plane, host name label; eth0 leased and managed, eth1 and eth2 bare."""
    items = json.loads(lab("kubectl", "get", "nodes", "-o", "json"))["items"]
    labels = {item["metadata"]["name"]: item["metadata"]["labels"] for item in items}
    assert {name: own["node-role.kubernetes.io/worker"] for name, own in labels.items()} == {"node1": "", "node2": ""}
    assert [name for name, own in labels.items() if "node-role.kubernetes.io/control-plane" in own] == ["node1"]
    assert all(own["kubernetes.io/hostname"] == name for name, own in labels.items())
    assert not any(item["spec"].get("taints") for item in items)
    for number in (1, 2):
        node = f"node{number}"
        links = {link["ifname"]: link for link in json.loads(lab.sh(node, "ip -j -d addr"))}
        assert not {"bond0", "dummy0"} & links.keys()
        assert {name for name, link in links.items() if link.get("linkinfo", {}).get("info_kind") == "bridge"} <= {
            "cni0"
        }
        found = {a["local"] for a in links["eth0"]["addr_info"] if a["scope"] == "global"}
        assert found == {f"10.11.0.1{number}", f"fd00:11::1{number}"}
        assert not [a for nic in ("eth1", "eth2") for a in links[nic]["addr_info"]]
        states = dict(line.split(":") for line in lab.sh(node, "nmcli -t -f DEVICE,STATE device").splitlines())
        assert {states[nic] for nic in ("eth0", "eth1", "eth2")} == {"connected"}
        assert "via 10.11.0.1 dev eth0" in lab.sh(node, "ip route show default")
        assert "default via" in lab.sh(node, "ip -6 route show default")


def test_exec_passes_everything_through(lab: Lab) -> None:
    data = bytes(range(256)) * 40_000
    done = subprocess.run(
        [LAB, "exec", "node1", "--", "sh", "-c", "cat; echo no >&2; exit 7"],
        input=data, capture_output=True, env=lab.env, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout == data, done.stderr) == (7, True, b"no\n")


def test_the_way_in_needs_no_network_of_the_node(lab: Lab) -> None:
    """With all its interfaces down and NetworkManager stopped, a node still answers, and recovers."""
    lab.sh("node2", "systemctl stop NetworkManager; for nic in eth0 eth1 eth2; do ip link set $nic down; done")
    assert lab.sh("node2", "hostname") == "node2"
    assert "vec" not in lab.sh("node2", "ls /sys/class/net")
    lab.sh("node2", "systemctl start NetworkManager")
    eventually("eth0 has its lease again", lambda: "10.11.0.12" in lab.sh("node2", "ip addr show eth0"), timeout=60)


def test_a_command_ends_with_its_caller(lab: Lab) -> None:
    with subprocess.Popen([LAB, "exec", "node1", "--", "sleep", "4711"], env=lab.env) as caller:
        eventually("it runs", lambda: lab.sh("node1", "pgrep -x sleep || true"), timeout=20)
        caller.terminate()
    eventually("it is gone", lambda: not lab.sh("node1", "pgrep -x sleep || true"), timeout=20)


def test_a_power_cut_keeps_what_was_synced_and_nothing_else(lab: Lab) -> None:
    before = lab.boot("node2")
    lab.sh("node2", "echo kept > /root/kept; sync /root/kept /root; echo lost > /root/lost")
    lab("power", "node2", "cut")
    with pytest.raises(CommandFailed, match="hack/lab status"):
        lab("exec", "node2", "--", "true")
    lab("power", "node2", "on", "--ready")
    assert lab.boot("node2") != before
    assert lab.sh("node2", "cat /root/kept; cat /root/lost 2>/dev/null || true") == "kept"
    assert lab.sh("node2", "hostname") == "node2"


def test_a_reset_keeps_everything(lab: Lab) -> None:
    """An orderly reset loses nothing, and the node is the same one: machine id, address, Ready."""
    before, machine = lab.boot("node2"), lab.sh("node2", "cat /etc/machine-id; echo kept > /root/unsynced")
    lab("power", "node2", "reset", "--ready")
    assert lab.boot("node2") != before
    assert lab.sh("node2", "cat /etc/machine-id") == machine
    assert lab.sh("node2", "cat /root/unsynced") == "kept"


def test_cables_and_dhcp(lab: Lab) -> None:
    """A pulled cable takes the carrier away, also over a reset; DHCP on eth1's wire is there when asked for."""
    carrier = "cat /sys/class/net/eth2/carrier"
    lab("cable", "node2", "eth2", "down")
    assert lab.sh("node2", carrier) == "0"
    lab("power", "node2", "reset")
    assert lab.sh("node2", carrier) == "0"
    lab("cable", "node2", "eth2", "up")
    assert lab.sh("node2", carrier) == "1"
    lab("dhcp", "eth1", "on")
    lab.sh("node2", "nmcli device modify eth1 ipv4.method auto ipv6.method auto")
    for address in ("10.21.0.12/24", "fd00:21::12/128"):
        eventually(f"eth1 has {address}", partial(lab.shows, "node2", "ip addr show eth1", address), timeout=30)
    lab("dhcp", "eth1", "off")
    lab.sh("node2", "nmcli connection up eth1")
    assert "10.21.0.12" not in lab.sh("node2", "ip -br addr show eth1")


def test_the_wires_are_apart(lab: Lab) -> None:
    """eth1 of one node reaches eth1 of the other; without its cable, no other NIC of that node answers in its place."""
    ping = "ping -c 1 -W {} -I eth1 192.0.2.2 >/dev/null && echo yes || echo no"
    for number in (1, 2):
        lab.sh(f"node{number}", f"ip addr add 192.0.2.{number}/24 dev eth1")
    assert lab.sh("node1", ping.format(5)) == "yes"
    lab("cable", "node2", "eth1", "down")
    lab.sh("node1", "ip neigh flush dev eth1")
    assert lab.sh("node1", ping.format(1)) == "no"
    lab("cable", "node2", "eth1", "up")
    for number in (1, 2):
        lab.sh(f"node{number}", "ip addr flush dev eth1")


def test_images_pods_services_logs_and_exec(lab: Lab, tmp_path: Path) -> None:
    """An image loaded once runs on both nodes; its service is reached from each pod's node, its logs from kubectl."""
    source, program, image = tmp_path / "web.c", tmp_path / "web", tmp_path / "web.tar"
    source.write_text(SERVER)
    run("cc", "-static", "-w", "-o", str(program), str(source))
    write_image(image, "localhost/other-name:1", {"/web": program.read_bytes()}, ("/web",))
    lab("load", str(image), "--as", "localhost/web:1")
    run(LAB, "kubectl", "apply", "-f", "-", input=PODS, env=lab.env)
    lab("kubectl", "rollout", "status", "ds/web", "--timeout=90s")
    pods = json.loads(lab("kubectl", "get", "pods", "-l", "app=web", "-o", "json"))["items"]
    names = {pod["metadata"]["name"] for pod in pods}
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}
    for name in names:
        assert lab("kubectl", "logs", name) == "listening\n"
    call = "exec 3<>/dev/tcp/10.96.7.7/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
    for node in ("node1", "node2"):  # the service must also lead to the pod on the node that asks
        seen: set[str] = set()

        def ask(node: str = node, seen: set[str] = seen) -> bool:
            answer = lab("exec", node, "--", "timeout", "5", "bash", "-c", call)
            seen.add(answer.split("here is ")[1].strip())
            return seen == names

        eventually(f"{node} has reached both pods", ask, timeout=30)
    with pytest.raises(CommandFailed, match="no-such-program"):  # the kubelet was asked, and said no
        lab("kubectl", "exec", names.pop(), "--", "no-such-program")


def test_dead_parts_come_back(lab: Lab) -> None:
    """The API server, killed, is started anew by itself, and a node that is off by `up`."""
    inside = json.loads((lab.state / "nmstate-k8s/lab/lab.json").read_text())["pid"]
    (supervisor,) = Path(f"/proc/{inside}/task/{inside}/children").read_text().split()
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        if b"kube-apiserver" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]:
            os.kill(int(child), signal.SIGKILL)
    lab("power", "node2", "off")
    lab("up")
    assert "started 2 times" in next(line for line in lab("status").splitlines() if "kube-apiserver" in line)


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1, 3, 6])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_down_leaves_nothing_of_an_up_that_was_ended(tmp_path: Path, seconds: float, number: signal.Signals) -> None:
    """Whenever `up` is ended, `down` finds all that it had started."""
    lab = Lab(tmp_path)
    with subprocess.Popen([LAB, "up", "--nodes", "1"], env=lab.env, start_new_session=True) as up:
        try:
            up.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(up.pid, number)
    lab("down")
    lab.assert_gone()


def test_an_up_after_a_killed_up_goes_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    with subprocess.Popen([LAB, "up", "--nodes", "1"], env=lab.env) as up:
        try:
            up.wait(0.5)
        except subprocess.TimeoutExpired:
            up.kill()
    try:
        lab("up", "--nodes", "1")
        assert "Ready" in lab("status")
    finally:
        lab("down")
    lab.assert_gone()


def test_a_killed_supervisor_takes_everything_along(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab("up", "--nodes", "1")
    os.kill(json.loads((tmp_path / "nmstate-k8s/lab/lab.json").read_text())["pid"], signal.SIGKILL)
    eventually("no process is left", lambda: not lab.processes(), timeout=10)
    assert run(LAB, "status", check=False, env=lab.env).returncode == 3
    lab("down")
    lab.assert_gone()


def test_the_machine_needs_nothing_more() -> None:
    """Where these tests run, the doctor has nothing to say."""
    done = run(LAB, "doctor", check=False)
    assert done.returncode == 0, done.stdout
    assert sys.version_info >= (3, 11)
