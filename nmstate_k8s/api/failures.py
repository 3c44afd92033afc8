"""The reasons of `status.failure.reason`, in words: docs/reference/conditions.md has them.

A reason is one word for programs, and a part of the API once it is out. Where an error has no word of its own (an
operating system's, say) the reason is the error's name in Python.
"""

from __future__ import annotations

__all__ = ["LIBNMSTATE", "REASONS"]

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "CaptureError": "A capture cannot be read, or finds nothing.",
    "CaptureReferenceError": "The desired state refers to what no capture found.",
    "CheckpointLost": "NetworkManager's checkpoint, which guards the change, is gone.",
    "DiskFull": "A disk of the node has no room for a journal or for profiles.",
    "DiskReadOnly": "A disk of the node cannot be written.",
    "DispatchNotAllowed": "The policy brings a dispatch script, and the NMState does not allow it.",
    "HandlerEnded": "The handler ended during the apply; its successor has rolled the change back.",
    "InterfaceNotFound": "The node has no interface of that name.",
    "JournalIncomplete": "The journal lacks the copies of files, so none was put back.",
    "JournalUnreadable": "The handler ended during the apply, and its journal cannot be read any more.",
    "KernelRefused": "After the way back, routes or rules of the change are in the kernel still, and it keeps them.",
    "MaskedSecret": "A password is the mask that stands for a secret in a report.",
    "NetworkManagerNotStarted": "NetworkManager did not start again.",
    "NetworkManagerRestarted": "NetworkManager was started in the middle of the change.",
    "NetworkManagerUnavailable": "NetworkManager, or the system bus, does not answer.",
    "NotRestored": "NetworkManager was restarted, but the restore unit did not run before it.",
    "OvsdbUnavailable": "Open vSwitch's database does not answer.",
    "PowerCut": "The power was cut, or the node was reset, during the apply; it was put back at its boot.",
    "ProbeFailed": "After the apply the node could not be reached any more, or could not reach what it could before.",
    "RecoveryFailed": "What an earlier handler left behind could not be taken back yet.",
    "TooLarge": "The desired state, or what the captures found, is larger than an enactment may be.",
}
"""Ours."""

LIBNMSTATE: Mapping[str, str] = {
    "Bug": "Something that libnmstate did not expect, often an answer of NetworkManager.",
    "DBus": "The system bus, or NetworkManager on it, does not answer.",
    "DependencyError": "Something is missing on the node, or too old.",
    "InvalidArgument": "The state cannot be meant: an unknown key, a wrong type, a contradiction.",
    "KernelIntegerRoundedError": "The kernel keeps another number than the one given.",
    "NotImplementedError": "libnmstate cannot do this yet.",
    "NotSupportedError": "This node cannot do it.",
    "PermissionError": "NetworkManager does not allow it.",
    "PluginFailure": "NetworkManager, Open vSwitch or the kernel failed.",
    "PolicyError": "A capture's expression, or a reference to a capture, is wrong.",
    "SrIovVfNotFound": "A virtual function is not there, or not yet.",
    "VerificationError": "It was applied, but what the node shows afterwards differs.",
}
"""libnmstate's own words."""
