"""What the lab writes for other programs, and what it reads of the machine."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from hack.cluster import archive, binaries, cli, debian, dnsmasq, doctor, guest_files, images, nodes, plan, say
from hack.cluster.errors import LabError
from hack.cluster.paths import SOURCE, Paths

DEB822 = """\
Types: deb
# a comment
URIs: http://mirror.example/debian/
Suites: bookworm
Components: main
"""


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        pytest.param(DEB822, "http://mirror.example/debian", id="deb822"),
        pytest.param("deb http://a.example/debian bookworm main\n", "http://a.example/debian", id="one line"),
        pytest.param("deb [arch=amd64 trusted=yes] http://b.example/debian x", "http://b.example/debian", id="options"),
        pytest.param("# deb http://c.example/debian x main\n", None, id="comment"),
        pytest.param("deb https://d.example/node_20.x nodistro main\n", None, id="other vendor"),
        pytest.param(DEB822.replace("/debian/", "/debian-security"), None, id="security alone"),
        pytest.param("", None, id="empty"),
    ],
)  # fmt: skip
def test_the_mirror_is_that_of_the_machine(text: str, mirror: str | None) -> None:
    assert debian.parse_mirror(text) == mirror


def test_every_node_has_its_lease_on_every_wire() -> None:
    for wire in plan.WIRES:
        config = dnsmasq.config(wire)
        for number in (1, 2, plan.MAX_NODES):
            node = plan.Node(number)
            four, six = node.lease(wire)
            assert f"dhcp-host={node.mac(wire.nic)},{four},[{six}],1h" in config


def test_only_the_uplink_gives_a_router_and_names() -> None:
    """DHCP on eth1 and eth2 must not bring a second default route or name server."""
    uplink, *others = (dnsmasq.config(wire) for wire in plan.WIRES)
    assert f"dhcp-option=option:router,{plan.GATEWAY}" in uplink
    assert f"host-record={plan.DNS_NAME}" in uplink
    for config in others:
        assert "option:router" not in config
        assert "\ndhcp-option=3\n" in config  # explicitly none: dnsmasq would name itself
        assert "host-record" not in config


def test_the_root_servers_are_answered_in_wire_format() -> None:
    assert "dns-rr=root-servers.net,2,01:61:0c:72:6f:6f:74" in dnsmasq.config(plan.WIRES[0])


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1:00"), (3725, "62:05")])
def test_times_are_short(seconds: float, text: str) -> None:
    assert say.elapsed(seconds) == text


@pytest.fixture
def image(tmp_path: Path) -> Path:
    target = tmp_path / "image.tar"
    archive.write_image(target, "localhost/a:1", {"/bin/a": b"#!"}, ("/bin/a",))
    return target


def _members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {m.name: content.read() for m in tar if (content := tar.extractfile(m)) is not None}


def test_an_image_names_its_parts_by_their_content(image: Path) -> None:
    members = _members(image)
    (entry,) = json.loads(members["manifest.json"])
    config = json.loads(members[entry["Config"]])
    assert entry["RepoTags"] == ["localhost/a:1"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{entry['Layers'][0].split('/')[0]}"]
    with tarfile.open(fileobj=io.BytesIO(members[entry["Layers"][0]])) as layer:
        assert [(m.name, m.mode) for m in layer] == [("bin/a", 0o755)]


def test_retagging_changes_the_name_alone(image: Path, tmp_path: Path) -> None:
    images.retag(image, tmp_path / "new.tar", "localhost/b:2")
    before, after = _members(image), _members(tmp_path / "new.tar")
    assert json.loads(after["manifest.json"])[0]["RepoTags"] == ["localhost/b:2"]
    assert {**before, "manifest.json": b""} == {**after, "manifest.json": b""}


def test_two_references_never_share_a_file() -> None:
    """Not even those that look alike once what a file name cannot hold is gone."""
    names = [images.file_name(r) for r in ("a/b:1", "a-b:1", "a/b-1", "x" * 300, "x" * 299)]
    assert len(set(names)) == len(names)
    assert all(len(name) < 100 and "/" not in name for name in names)


def test_the_kernel_is_told_what_the_guest_reads() -> None:
    """Every parameter that the first script of the guest needs is on the kernel's command line, and NICs by number."""
    script = (SOURCE / "guest/root/usr/local/sbin/lab-wire").read_text()
    node = plan.Node(2)
    words = nodes.command_line(node, memory=512, unplugged=["eth1", "eth2"])
    read = {line.split("=")[0].strip() for line in script.splitlines() if line.strip().startswith("lab.")}
    assert read == {word.split("=")[0] for word in words if word.startswith("lab.")}
    assert "lab.pulled=eth1,eth2" in words
    assert next(w for w in words if w.startswith("vec2:")).endswith(f"ifname=n2eth2,depth=128,mac={node.wire_mac(2)}")


def test_masked_and_enabled_units_do_not_meet() -> None:
    assert not set(guest_files.MASKED) & {unit for units in guest_files.ENABLED.values() for unit in units}
    for units in guest_files.ENABLED.values():
        assert all((SOURCE / "guest/root/etc/systemd/system" / unit).exists() for unit in units)


def test_a_finding_that_is_not_good_tells_its_remedy() -> None:
    assert doctor.Finding(False, "x", "do y").line() == "lacks  x: do y"
    assert doctor.Finding(True, "x", "do y").line() == "ok     x"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in cli.COMMANDS)


@pytest.mark.parametrize("command", [c for c in cli.COMMANDS if c not in ("kubectl",)])
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = cli.main([command, "--help"])
    except SystemExit as end:  # argparse's way
        status = end.code if isinstance(end.code, int) else 1
    assert status == 0
    assert f"usage: hack/lab {command}" in capsys.readouterr().out


def test_an_unknown_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["upp"]) == 2
    assert "no command upp" in capsys.readouterr().err


def test_a_failed_command_brings_its_own_words(tmp_path: Path) -> None:
    from hack.cluster.run import run

    with pytest.raises(LabError, match="making x failed with status 3") as caught:
        run("sh", "-c", "echo because >&2; exit 3", what="making x")
    assert caught.value.output == "because"


@pytest.mark.parametrize(
    ("program", "answer", "found"),
    [
        ("kubelet", "Kubernetes v1.36.9", True),
        ("kubelet", "Kubernetes v1.3.6", False),
        ("kubectl", "Client Version: v1.20.0", False),
        ("etcd", "etcd Version: 3.6.1", True),
        ("etcd", "etcd Version: 2.3.8", False),
    ],
)
def test_a_program_on_path_counts_only_if_its_version_fits(
    program: str, answer: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / program
    file.write_text(f"#!/bin/sh\necho '{answer}'\n")
    file.chmod(0o755)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert binaries.find(Paths(tmp_path / "cache", tmp_path / "state"), program) == (file if found else None)


def test_ones_own_assets_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets KUBEBUILDER_ASSETS means it: no version is asked for."""
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    for folder in (tmp_path / "assets", paths.binaries):
        folder.mkdir(parents=True)
        (folder / "etcd").write_text("#!/bin/false\n")
        (folder / "etcd").chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert binaries.find(paths, "etcd") == tmp_path / "assets/etcd"
