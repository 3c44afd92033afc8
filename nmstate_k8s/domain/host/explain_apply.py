r"""What libnmstate, NetworkManager and Open vSwitch say when an apply fails: a pattern, the cause, what to do next.

The cause is a template of `re.Match.expand`; a group `name` is the interface. The first row that matches counts.
"""

from __future__ import annotations

__all__ = ["AFTER_APPLY"]

AFTER_APPLY: tuple[tuple[str, str, str], ...] = (
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
        r"CheckpointConflict|Another checkpoint exists",
        "another process holds a checkpoint of NetworkManager",
        "",
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
)
