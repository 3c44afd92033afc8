r"""What libnmstate, NetworkManager and Open vSwitch say when an apply fails: a pattern, the cause, what to do next.

The cause is a template of `re.Match.expand`; a group `name` is the interface. The first row that matches counts.
"""

from __future__ import annotations

__all__ = ["AFTER_APPLY"]

AFTER_APPLY: tuple[tuple[str, str, str], ...] = (
    (
        r"DbusConnectionError|org\.freedesktop\.DBus\.Error\.(?:ServiceUnknown|NameHasNoOwner|NoReply|Disconnected)",
        "NetworkManager does not answer",
        "`systemctl status NetworkManager` on the node says why",
    ),
    (
        r"not able to connect OVS daemon|Failed to connect to OVS",
        "Open vSwitch does not run on this node",
        "Install and start openvswitch on the node, or leave it out by the policy's nodeSelector",
    ),
    (
        r"MissingPlugin|plugin for '(?P<plugin>[\w-]+)' not available|Please upgrade NetworkManager",
        "NetworkManager on this node lacks the plugin or the version that this type of interface needs",
        "Install it on the node (for OVS: NetworkManager-ovs) and restart NetworkManager",
    ),
    (
        r"The VPN service '(?:[\w.]*\.)?(?P<plugin>\w+)' was not installed",
        r"NetworkManager on this node lacks the VPN plugin \g<plugin>",
        r"Install NetworkManager-\g<plugin> on the node and restart NetworkManager",
    ),
    (
        r"CheckpointConflict|Another checkpoint exists",
        "another process holds a checkpoint of NetworkManager",
        "",
    ),
    (
        r"Verification failure: (?P<name>\S+?)\.interface\.(?P<path>\S+) desire '(?P<want>.*)', current 'null'$",
        r"\g<path> \g<want> had no effect on \g<name>",
        "Perhaps its card or driver does not support it",
    ),
    (
        r"Verification failure: (?P<name>\S+?)\.interface\.(?P<path>\S+)"
        r" desire '(?P<want>.*?)', current '(?P<have>.*?)'$",
        r"after the apply \g<path> of \g<name> is \g<have>, not \g<want>",
        "",
    ),
    (
        r"Verification failure: (?P<path>\S+) desire '(?P<want>.*?)', current '(?P<have>.*?)'$",
        r"after the apply \g<path> is \g<have>, not \g<want>",
        "",
    ),
    (
        r"Failed to find desired interface (?P<name>\S+) ",
        r"\g<name> did not come up",
        "",
    ),
    (
        r"Absent/Down interface (?P<name>[^/\s]+)/\S+ still found",
        r"\g<name> is still there after it was to be taken away",
        "Something else makes it: look for its owner on the node",
    ),
    (
        r"Desired route (?P<route>.*) not found after apply",
        r"after the apply there is no route \g<route>",
        "Its next hop must be reachable through its interface",
    ),
    (
        r"desire name servers '(?P<want>.*?)', got '(?P<have>.*?)'",
        r"after the apply the DNS servers are \g<have>, not \g<want>",
        "",
    ),
    (
        r"OVS ?DB .*error (?P<what>.*)|Failed to (?:send|flush|read) .*OVSDB",
        "Open vSwitch's database failed",
        "`systemctl status openvswitch` on the node says why",
    ),
    (
        r"Manager\(ConnectionNotAvailable\): .*device (?P<name>\S+) not available because (?P<why>.*)",
        r"NetworkManager cannot activate \g<name>: \g<why>",
        "",
    ),
    (
        r"Timeout on waiting rollback",
        "NetworkManager did not finish the rollback in time",
        "",
    ),
    (
        r"SR-IOV is not supported by interface (?P<name>\S+)",
        r"\g<name> does not support SR-IOV",
        "",
    ),
    (
        r"Unsupported ethtool feature (?:feature-)?(?P<what>\S+)",
        r"ethtool.feature \g<what> is not one of this card's",
        "",
    ),
    (
        r"MTU should be >= 1280 .* interface (?P<name>[^\s,]+), but got mtu: (?P<mtu>\d+)",
        r"mtu \g<mtu> of \g<name> is smaller than the 1280 that IPv6 needs",
        "",
    ),
    (
        r"Setting\(InvalidHostname\)",
        "the hostname is too long, or has characters that no hostname has",
        "",
    ),
    (
        r"ipv(?P<v>[46])\.route-data: .*Invalid IPv[46] address '(?P<what>[^']*)'",
        r"\g<what>, the next-hop-address of an IPv\g<v> route, is no IPv\g<v> address",
        "",
    ),
    (
        r"Connection\(\w+\):(?P<property>[\w.-]+): (?:failed to set property: )?(?P<what>.*)",
        r"NetworkManager does not take it: \g<property>: \g<what>",
        "",
    ),
)
