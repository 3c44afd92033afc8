"""What the programs in Python share: what they are told, what they tell, and what they read of an object."""

import argparse
import json
import time
from pathlib import Path

import msgspec

from nmstate_k8s.core.config import ClusterConfig


class Spec(msgspec.Struct, frozen=True):
    version: int
    sent: int = 0


class Status(msgspec.Struct, frozen=True):
    observed: int = 0


class Thing(msgspec.Struct, frozen=True):
    spec: Spec
    status: Status = Status()


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "at": time.time_ns(), **fields}), flush=True)


class Tally:
    """What there is to tell."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._seen: set[str] = set()
        self._sent: dict[str, int] = {}
        self._delays: list[int] = []
        self._patched = 0
        self._since = time.time_ns()

    def reconciling(self, name: str, thing: Thing, now: int) -> None:
        """At that time."""
        sent = thing.spec.sent
        if name not in self._seen:
            self._seen.add(name)
            if len(self._seen) == self._options.objects:
                say("reconciled")
        if sent > self._sent.get(name, self._since):
            self._sent[name] = sent
            self._delays.append(now - sent)
            if len(self._delays) == self._options.samples:
                say("sampled", delays=self._delays)

    def patched(self) -> None:
        """One status was written."""
        self._patched += 1
        if self._patched == self._options.changes:
            say("patched")


def read_options() -> tuple[argparse.Namespace, ClusterConfig]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig-file", type=Path)
    for name in ("objects", "changes", "samples", "workers"):
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    kubeconfig = json.loads(options.kubeconfig_file.read_text())
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    config = ClusterConfig(
        cluster["server"],
        ca_file=cluster["certificate-authority"],
        cert_file=user["client-certificate"],
        key_file=user["client-key"],
    )
    return options, config
