"""restore.sh on a machine in a folder: it puts back what was, whatever the names, and wherever it is cut."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.domain.host.journal import JournalTaken

PROFILES = "etc/NetworkManager/system-connections"
NAMES = ["plain.nmconnection", "two words", "line\nbreak", "-rf", "*", "$(reboot)", ".hidden", "uml\xe4ut", "'quoted\""]


def lay_out(machine: Any, names: list[str] = NAMES) -> None:
    """A node with one of everything that a change can alter."""
    for name in names:
        machine.profile(name, "eth0", f"id={name!r}\n")
    (machine.root / PROFILES / "link").symlink_to("/run/somewhere")
    machine.write("etc/hostname", "node-1\n", 0o644)
    machine.write("etc/NetworkManager/dispatcher.d/nmstate-eth0-up.sh", "#!/bin/sh\n", 0o744)
    machine.write("etc/NetworkManager/dispatcher.d/other", "not ours\n", 0o755)
    machine.write("etc/systemd/network/98-nmstate-eth0.link", "[Match]\n", 0o644)
    machine.write("etc/systemd/network/10-admin.link", "[Match]\n", 0o644)
    machine.write("var/lib/NetworkManager/NetworkManager-intern.conf", "[.intern.global-dns]\n", 0o644)


def change_all(machine: Any, names: list[str] = NAMES) -> None:
    """What an untested policy may have left: some altered, some gone, some new, some empty."""
    for name in names[::2]:
        machine.profile(name, "eth0", "untested\n")
    for name in names[1::2]:
        (machine.root / PROFILES / name).unlink()
    (machine.root / PROFILES / "link").unlink()
    machine.write(f"{PROFILES}/link", "a file now")
    machine.write(f"{PROFILES}/bond0.nmconnection", "")
    machine.profile("new one\n", "bond0")
    machine.write("etc/hostname", "other\n", 0o644)
    machine.write("etc/NetworkManager/dispatcher.d/nmstate-eth0-up.sh", "#!/bin/sh\nuntested\n", 0o744)
    machine.write("etc/NetworkManager/dispatcher.d/nmstate-eth1-down.sh", "#!/bin/sh\n", 0o744)
    machine.write("etc/systemd/network/98-nmstate-eth1.link", "[Match]\n", 0o644)
    (machine.root / "var/lib/NetworkManager/NetworkManager-intern.conf").unlink()


NAMED = {"hostname": {"config": "other"}, "interfaces": [{"name": "eth1"}, {"name": "bond0"}]}


def test_after_a_boot_every_file_is_as_before(machine: Any) -> None:
    """Altered ones are put back, lost ones made again, new ones removed, others left alone; the kernel too."""
    lay_out(machine)
    before = machine.files()
    machine.begin(NAMED)
    change_all(machine)
    machine.boot("boot-2")
    done = machine.restore()
    assert done.returncode == 0, done.stderr
    assert machine.files() == before
    assert machine.ip() == []
    assert machine.journal.read() is None
    found = machine.journal.interrupted()
    assert found is not None
    assert (found.transaction, found.why) == ("t1", "boot")
    machine.journal.told()
    assert machine.journal.interrupted() is None


def test_what_did_not_change_is_not_written(machine: Any) -> None:
    """A file that is as its copy keeps its very inode."""
    lay_out(machine)
    inode = (machine.root / PROFILES / "two words").stat().st_ino
    machine.begin(NAMED)
    machine.boot("boot-2")
    assert machine.restore().returncode == 0
    assert (machine.root / PROFILES / "two words").stat().st_ino == inode


def test_a_name_on_the_disk_that_was_not_there_goes(machine: Any) -> None:
    """Where the change sets the first one."""
    machine.begin(NAMED, hostname={"running": "node-1", "config": ""})
    machine.write("etc/hostname", "other\n")
    machine.boot("boot-2")
    assert machine.restore().returncode == 0
    assert not (machine.root / "etc/hostname").exists()


def test_a_change_that_sets_no_name_leaves_it_alone(machine: Any) -> None:
    """Somebody else may have set it meanwhile."""
    machine.begin({"interfaces": [{"name": "eth1"}]})
    machine.write("etc/hostname", "by-an-administrator\n")
    machine.boot("boot-2")
    assert machine.restore().returncode == 0
    assert (machine.root / "etc/hostname").read_text() == "by-an-administrator\n"


@pytest.mark.parametrize("alive", [True, False], ids=["handler lives", "handler is gone"])
def test_within_the_same_boot_links_are_set_back(machine: Any, alive: bool) -> None:
    """New links go, touched ones are emptied, pods' are left alone; a living handler closes the journal itself."""
    machine.profile("eth0", "eth0")
    machine.begin({"interfaces": [{"name": "bond0", "link-aggregation": {"port": ["eth1"]}}]})
    machine.profile("eth0", "eth0", "untested\n")
    machine.profile("vlan7", "eth0.7")
    for name, index in {"bond0": 7, "eth0.7": 8, "veth-of-a-pod": 9}.items():
        machine.link(name, index)
    machine.link("eth1", 3, mtu=9000)
    with (machine.root / "var/k8s_nmstate/handler_lock").open("w") as lock:
        if alive:
            fcntl.flock(lock, fcntl.LOCK_EX)
        done = machine.restore()
    assert done.returncode == 0, done.stderr
    assert (machine.root / "proc/sys/kernel/hostname").read_text() == "node-1\n"
    told = machine.ip()
    assert [line for line in told if "delete" in line] == ["link delete dev bond0", "link delete dev eth0.7"]
    assert "address flush dev eth0" in told
    assert "address flush dev eth1" in told
    assert "link set dev eth1 mtu 1500" in told
    assert not any("veth-of-a-pod" in line or "lo" in line.split() for line in told)
    assert (machine.journal.read() is not None) == alive
    assert machine.journal.taken()
    if alive:
        with pytest.raises(JournalTaken):
            machine.journal.close()
        assert machine.journal.read() is not None
        assert machine.journal.restored()
        machine.journal.close()
        assert machine.journal.read() is None
    else:
        interrupted = machine.journal.interrupted()
        assert interrupted is not None
        assert interrupted.why == "nm-restart"


def test_a_link_made_anew_under_its_old_name_is_made_once_more(machine: Any) -> None:
    """A VLAN of another id cannot be altered, so the change made another link: the old profile makes the old one."""
    machine.links.append((4, "eth1.5"))
    machine.profile("vlan", "eth1.5", "id=5\n")
    machine.begin({"interfaces": [{"name": "eth1.5"}, {"name": "eth1"}]})
    machine.profile("vlan", "eth1.5", "id=6\n")
    machine.link("eth1.5", 12)
    machine.link("eth1", 13)
    machine.restore()
    assert "link delete dev eth1.5" in machine.ip()
    assert "link delete dev eth1" not in machine.ip(), "no profile would bring it back"


def test_profiles_of_this_boot_come_back_within_it(machine: Any) -> None:
    """Those that the initial RAM disk made; not those that NetworkManager makes of what it finds."""
    folder = machine.root / "run/NetworkManager/system-connections"
    folder.mkdir()
    (folder / "default").write_text("[connection]\ninterface-name=eth0\n")
    (folder / "lo").write_text("[.nmmeta]\nnm-generated=true\n")
    machine.begin({"interfaces": [{"name": "eth0"}]})
    (folder / "default").unlink()
    (folder / "lo").unlink()
    machine.restore()
    assert sorted(path.name for path in folder.iterdir()) == ["default"]


def test_a_link_that_is_only_watched_gets_back_what_it_had(machine: Any) -> None:
    """No profile knows it. What leases and advertisements gave comes by itself; what has a profile, by that."""
    folder = machine.root / "run/NetworkManager/system-connections"
    folder.mkdir()
    for name in ("eth1", "lo"):
        (folder / name).write_text(
            f"[connection]\ninterface-name={name}\n[.nmmeta]\nnm-generated=true\nexternal=true\n"
        )
    machine.profile("eth0", "eth0")
    (machine.root / "proc/sys/net/ipv6/conf/eth1").mkdir(parents=True)
    address = {"address": [{"ip": "192.0.2.7", "prefix-length": 24}]}
    six = {
        "address": [
            {"ip": "fe80::1", "prefix-length": 64},
            {"ip": "2001:db8::7", "prefix-length": 64},
            {"ip": "2001:db8::8", "prefix-length": 64, "valid-life-time": "10sec"},
        ]
    }
    had = {"mtu": 1500, "mac-address": "02:00:00:00:00:01", "ipv4": address}
    routes = [
        {"destination": "198.51.100.0/24", "next-hop-interface": "eth1", "next-hop-address": "192.0.2.1", "metric": 7},
        {"destination": "203.0.113.0/24", "next-hop-interface": "eth1", "table-id": 99, "metric": -1},
        {"destination": "203.0.113.0/24", "next-hop-interface": "eth0"},
    ]
    machine.begin(
        {"interfaces": [{"name": "eth0"}, {"name": "eth1"}]},
        interfaces=[{"name": "eth0", **had}, {"name": "eth1", **had, "ipv6": six, "controller": "br0"}],
        routes={"config": routes},
    )
    assert machine.restore().returncode == 0
    told = machine.ip()
    after = told[max(n for n, line in enumerate(told) if "flush" in line) + 1 :]
    assert [line for line in after if "eth0" in line and "down" not in line] == []
    assert [line for line in after if "eth1" in line and "down" not in line] == [
        "link set dev eth1 addrgenmode eui64",
        "link set dev eth1 up",
        "link set dev eth1 master br0",
        "address replace 192.0.2.7/24 dev eth1",
        "address replace 2001:db8::7/64 dev eth1",
        "route replace 198.51.100.0/24 via 192.0.2.1 metric 7 dev eth1 table 254",
        "route replace 203.0.113.0/24 dev eth1 table 99",
    ]
    assert (machine.root / "proc/sys/net/ipv6/conf/eth1/disable_ipv6").read_text() == "0\n"


def test_the_loopback_does_not_stay_down(machine: Any) -> None:
    """A route through nothing makes a profile for it, which no policy names; its own addresses come as it goes up."""
    machine.begin({"routes": {"config": [{"destination": "198.51.100.0/24", "route-type": "blackhole"}]}})
    machine.profile("lo", "lo")
    machine.restore()
    told = [line for line in machine.ip() if " lo " in f"{line} "]
    assert told.index("link set dev lo down") < told.index("link set dev lo up")
    assert not (machine.root / "etc/NetworkManager/system-connections/lo").exists()


def test_a_journal_that_the_handler_closes_first_is_not_acted_upon(machine: Any) -> None:
    """Nothing is touched without the mark, and the mark needs the journal."""
    machine.profile("eth0", "eth0")
    machine.begin({"interfaces": [{"name": "eth0"}]})
    machine.profile("eth0", "eth0", "tested and kept\n")
    kept = machine.files()
    folder = machine.root / "var/k8s_nmstate/journal"
    script = shutil.copy(folder / "restore.sh", machine.root / "restore.sh")
    machine.journal.close()
    folder.mkdir()
    shutil.copy(script, folder / "restore.sh")
    assert machine.restore().returncode != 0
    assert machine.files() == kept
    assert machine.ip() == []


_DEADLY = """#!/bin/sh
# The power goes before the nth of these commands.
count=$(($(cat "$NMSTATE_RESTORE_ROOT/count" 2>/dev/null || echo 0) + 1))
echo $count > "$NMSTATE_RESTORE_ROOT/count"
[ $count = "$DIE_AT" ] && kill -9 0
exec {real} "$@"
"""


def test_it_can_be_cut_at_any_point_and_done_again(machine: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Killed before each command that changes something, then run once more: as before, every time."""
    lay_out(machine, NAMES[:2])
    before = machine.files()
    machine.begin(NAMED)
    change_all(machine, NAMES[:2])
    machine.boot("boot-2")
    for command in ("cp", "mv", "rm", "mkdir"):
        wrapper = machine.root / "bin" / command
        wrapper.write_text(_DEADLY.replace("{real}", str(shutil.which(command))))
        wrapper.chmod(0o755)
    whole, at, died = machine.root, 0, True
    while died:
        at += 1
        root = tmp_path_factory.mktemp("cut") / "root"
        shutil.copytree(whole, root, symlinks=True)
        machine.root = root
        died = machine.restore(DIE_AT=str(at)).returncode != 0
        if died:
            done = machine.restore(DIE_AT="never")
            assert done.returncode == 0, done.stderr
        assert machine.files() == before, f"cut before command {at}"
        assert machine.journal.interrupted() is not None
        shutil.rmtree(root)
    assert at > 15


def test_a_copy_keeps_owner_mode_and_times(machine: Any) -> None:
    """As far as this machine lets us look."""
    path = machine.profile("eth0", "eth0")
    os.utime(path, (1_000_000, 1_000_000))
    if os.geteuid() == 0:
        os.chown(path, 12, 34)
    machine.begin({})
    path.unlink()
    machine.boot("boot-2")
    machine.restore()
    status = Path(path).stat()
    assert status.st_mtime == 1_000_000
    assert status.st_mode & 0o777 == 0o600
    if os.geteuid() == 0:
        assert (status.st_uid, status.st_gid) == (12, 34)


def test_one_file_that_cannot_be_put_back_keeps_no_other_from_it(machine: Any) -> None:
    """The journal stays, and all is tried again at the next start of NetworkManager."""
    machine.profile("eth0", "eth0")
    machine.write("etc/hostname", "node-1\n", 0o644)
    before = machine.files()
    machine.begin(NAMED)
    machine.profile("eth0", "eth0", "untested\n")
    (machine.root / "etc/hostname").unlink()
    (machine.root / "etc/hostname").mkdir()
    (machine.root / "etc/hostname/in the way").write_text("")
    machine.boot("boot-2")
    assert machine.restore().returncode != 0
    assert machine.files()[f"{PROFILES}/eth0"] == before[f"{PROFILES}/eth0"]
    assert not machine.journal.restored()
    assert machine.journal.read() is not None
    shutil.rmtree(machine.root / "etc/hostname")
    assert machine.restore().returncode == 0
    assert machine.files() == before


def test_a_journal_that_is_taken_away_under_it_makes_it_remove_nothing(machine: Any) -> None:
    """No copies to be seen is not the same as nothing to be kept; the handler sees the mark and gives it back."""
    machine.profile("eth0", "eth0")
    machine.begin({"interfaces": [{"name": "eth0"}]})
    machine.profile("eth0", "eth0", "tested and kept\n")
    kept, folder = machine.files(), machine.root / "var/k8s_nmstate"
    find = machine.root / "bin/find"
    find.write_text(
        f"#!/bin/sh\nmv '{folder}/journal' '{folder}/journal.closing'\nexec {shutil.which('find')} \"$@\"\n"
    )
    find.chmod(0o755)
    assert machine.restore().returncode != 0
    assert machine.files() == kept
    assert (folder / "journal.closing/restoring").exists()


@pytest.mark.parametrize(("boot", "told"), [("boot-1", 2), ("boot-2", 0)])
def test_routes_and_rules_of_no_link_go_within_the_same_boot(machine: Any, boot: str, told: int) -> None:
    """After a boot the kernel has none."""
    hole = {"destination": "10.96.0.1/32", "route-type": "blackhole"}
    rule = {"ip-to": "10.96.0.1/32", "action": "blackhole", "priority": 1100}
    machine.begin({"routes": {"config": [hole]}, "route-rules": {"config": [rule]}})
    machine.boot(boot)
    assert machine.restore().returncode == 0
    assert [line for line in machine.ip() if " delete " in line] == [
        "-4 route delete blackhole 10.96.0.1/32 table 254",
        "-4 rule delete priority 1100 to 10.96.0.1/32 blackhole",
    ][:told]
