"""What stands on an enactment: phases, retries, the message, what is kept from attempt to attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions, enactment_phase
from nmstate_k8s.api.enactment import Enactment, EnactmentSpec, EnactmentStatus
from nmstate_k8s.domain.desired.secrets import Redactor
from nmstate_k8s.domain.host.assignment import Assignment, assignment
from nmstate_k8s.domain.host.fault import Fault
from nmstate_k8s.domain.host.outcome import MAX_MESSAGE, Outcome, message
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.report import captured_before, concluded, progressing
from nmstate_k8s.domain.host.retries import Retries

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = EnactmentSpec(policy_generation=2, desired_state={"interfaces": [{"name": "eth1"}]}, capture={"a": "x"})
NOTHING = EnactmentStatus()
FAULT = Fault("apply", "VerificationError", "eth1 is odd", "eth1", "whole text")


def begun(previous: EnactmentStatus = NOTHING) -> EnactmentStatus:
    return progressing(SPEC, previous, boot_id="b1", transaction_id="t", now=NOW)


def ended(status: EnactmentStatus, outcome: Outcome, **retries: Any) -> tuple[EnactmentStatus, EnactmentPhase, Any]:
    return concluded(status, outcome, node="n1", retries=Retries(**retries), now=NOW + timedelta(seconds=5))


def failing(status: EnactmentStatus) -> str:
    return next(condition.message for condition in status.conditions if condition.type == "Failing")


def test_progressing_shows_the_state_and_forgets_another_generation() -> None:
    """The console reads the interfaces of a progressing enactment, too."""
    old = msgspec.structs.replace(begun(), policy_generation=1, retry_count={"1": 5}, captured_states={})
    status = begun(old)
    assert enactment_phase(status.conditions) is EnactmentPhase.PROGRESSING
    assert status.desired_state == SPEC.desired_state
    assert status.retry_count == {}
    assert status.boot_id == "b1"


def test_success_keeps_captured_states_for_the_next_run() -> None:
    """The same generation uses the same captured state again; another one does not."""
    prepared = Prepared(b'{"interfaces":[{"name":"eth1"}]}', {"a": {"interfaces": []}}, ("static-ip",))
    status, phase, delay = ended(begun(), Outcome("t", prepared=prepared, touched=True, timing={"apply": 1.5}))
    assert (phase, delay) == (EnactmentPhase.AVAILABLE, None)
    assert status.features == ("static-ip",)
    assert status.timing == {"apply": 1.5}
    assert captured_before(SPEC, status) == {"a": {"interfaces": []}}
    assert captured_before(msgspec.structs.replace(SPEC, policy_generation=3), status) == {}


def test_failures_are_counted_and_the_last_one_is_final() -> None:
    """With two attempts the first failure says `Retrying 2/2`, the second is final."""
    first, phase, delay = ended(begun(), Outcome("t", fault=FAULT, touched=True), attempts=2)
    assert (phase, delay) == (EnactmentPhase.RETRYING, 1.0)
    assert first.retry_count == {"2": 1}
    assert failing(first).endswith("Retrying 2/2")
    assert "n1" in failing(first)
    second, phase, delay = ended(begun(first), Outcome("t", fault=FAULT, touched=True), attempts=2)
    assert (phase, delay) == (EnactmentPhase.FAILED, None)
    assert second.retry_count == {"2": 2}
    assert second.failure is not None
    assert (second.failure.stage, second.failure.interface, second.failure.details) == ("apply", "eth1", "whole text")


def test_delays_double_up_to_the_longest() -> None:
    """1, 2, 4 … 30 seconds."""
    retries = Retries(attempts=9)
    assert [retries.again_after(count) for count in range(1, 9)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert retries.again_after(9) is None


def test_a_mistake_in_the_policy_is_final_at_once() -> None:
    """Scripts look for the beginning of the message, Headlamp for a line that begins `Error:`."""
    fault = Fault("generate", "InvalidArgument", 'unknown key "mttu" at interfaces[eth1].mttu', lasting=True)
    status, phase, delay = ended(begun(), Outcome("t", fault=fault))
    assert (phase, delay) == (EnactmentPhase.FAILED, None)
    first, second = failing(status).split("\n")
    assert first == "failure generating desiredState and capturedStates"
    assert second == (
        'Error: node n1: the policy cannot be carried out: unknown key "mttu" at interfaces[eth1].mttu; '
        "nothing was changed"
    )


@pytest.mark.parametrize("length", [10, 250, 5000])
def test_a_message_is_never_longer_than_300_characters(length: int) -> None:
    """What was done is told even where the cause is a novel."""
    outcome = Outcome("t", fault=Fault("probe", "ProbeFailed", "x" * length), touched=True, rollback_seconds=2.13)
    text = message("worker-3.example.org", outcome, "Retrying 2/5")
    assert len(text) <= MAX_MESSAGE
    assert text.endswith("; rolled back in 2.1 s. Retrying 2/5")


def test_a_state_that_is_too_large_is_not_shown() -> None:
    """The enactment must still fit into etcd."""
    spec = msgspec.structs.replace(SPEC, desired_state={"interfaces": ["x" * 300_000]})
    assert progressing(spec, EnactmentStatus(), boot_id="b", transaction_id="t", now=NOW).desired_state is None


def test_a_state_that_is_too_deep_is_not_shown() -> None:
    """Nothing that reads it by recursion gets it: the node is to say what is wrong with it, and go on with others."""
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": deep}
    status = progressing(
        EnactmentSpec(policy_generation=2, desired_state=deep), NOTHING, boot_id="", transaction_id="", now=NOW
    )
    assert status.desired_state is None
    assert enactment_phase(status.conditions) is EnactmentPhase.PROGRESSING


def in_phase(phase: EnactmentPhase | None, *, generation: int = 2, boot: str = "b1") -> Enactment:
    conditions = enactment_conditions(phase, now=NOW) if phase else ()
    return Enactment(
        spec=SPEC, status=EnactmentStatus(conditions=conditions, policy_generation=generation, boot_id=boot)
    )


@pytest.mark.parametrize(
    ("enactment", "verified", "expected"),
    [
        pytest.param(Enactment(), False, Assignment.NOTHING, id="not admitted"),
        pytest.param(Enactment(spec=SPEC), False, Assignment.WORK, id="new"),
        pytest.param(in_phase(EnactmentPhase.PENDING), False, Assignment.WORK, id="pending and now admitted"),
        pytest.param(in_phase(EnactmentPhase.PROGRESSING), False, Assignment.WORK, id="interrupted"),
        pytest.param(in_phase(EnactmentPhase.RETRYING), False, Assignment.WORK, id="retrying"),
        pytest.param(in_phase(EnactmentPhase.AVAILABLE), True, Assignment.NOTHING, id="true and seen"),
        pytest.param(in_phase(EnactmentPhase.AVAILABLE), False, Assignment.VERIFY, id="handler restarted"),
        pytest.param(in_phase(EnactmentPhase.AVAILABLE, boot="b0"), False, Assignment.WORK, id="node rebooted"),
        pytest.param(in_phase(EnactmentPhase.FAILED, boot="b0"), False, Assignment.NOTHING, id="failed for good"),
        pytest.param(in_phase(EnactmentPhase.ABORTED), False, Assignment.NOTHING, id="aborted"),
        pytest.param(in_phase(EnactmentPhase.FAILED, generation=1), False, Assignment.WORK, id="edited after failure"),
    ],
)
def test_what_an_enactment_asks_of_the_node(enactment: Enactment, verified: bool, expected: Assignment) -> None:
    """A final failure is never tried again by a restart; what was true is made true again."""
    assert assignment(enactment, boot_id="b1", verified=verified) is expected


def test_what_comes_next_is_told_where_there_is_room() -> None:
    """Advice gives way to the cause; that nothing comes by itself any more is always told."""
    fault = Fault("apply", "PluginFailure", "Open vSwitch does not run", advice="Install it")
    status, _, _ = ended(begun(), Outcome("t", fault=fault), attempts=1)
    assert failing(status).endswith("; nothing was changed. Install it")
    wordy = msgspec.structs.replace(begun(), retry_count={"2": 1})
    status, phase, _ = ended(wordy, Outcome("t", fault=replace(fault, cause="x " * 120)), attempts=2)
    assert phase is EnactmentPhase.FAILED
    assert failing(status).endswith("; nothing was changed. Given up after 2 attempts, until the policy is changed")
    assert len(failing(status)) <= MAX_MESSAGE
    assert status.failure is not None
    assert "Install it" in status.failure.details


SECRET = "correct-horse"


def test_no_secret_is_in_the_status() -> None:
    """Neither in the states nor in what libnmstate or a probe said, also where a text is cut."""
    login = {"identity": "me", "password": SECRET}
    desired = {"interfaces": [{"name": "eth1", "type": "ethernet", "802.1x": login}]}
    spec = msgspec.structs.replace(SPEC, desired_state=desired)
    redactor = Redactor()
    redactor.learn(desired)
    status = progressing(spec, NOTHING, boot_id="b1", transaction_id="t", now=NOW)
    assert SECRET not in msgspec.json.encode(status).decode()
    for shift in range(200, 260):
        cause = f"{'x' * shift}{SECRET} is bad"
        fault = Fault("apply", "InvalidArgument", cause, details=f'{"y" * 7_990}"{SECRET}"')
        outcome = Outcome("t", prepared=Prepared(msgspec.json.encode(desired)), fault=fault, touched=True)
        told, _, _ = concluded(status, outcome, node="n1", retries=Retries(), now=NOW, redact=redactor.text)
        text = msgspec.json.encode(told).decode()
        assert SECRET not in text
        assert SECRET[:8] not in text
    assert (
        msgspec.json.decode(outcome.prepared.desired if outcome.prepared else b"")["interfaces"][0]["802.1x"] == login
    )


def test_states_are_of_their_generation() -> None:
    """`version` of a state's metaInfo is the generation of the policy that it belongs to."""
    prepared = Prepared(b'{"interfaces":[]}', {"a": {"interfaces": []}})
    status, _, _ = ended(begun(), Outcome("t", prepared=prepared))
    assert status.desired_state_meta_info is not None
    assert status.desired_state_meta_info.version == "2"
    meta = status.captured_states["a"].meta_info
    assert meta is not None
    assert meta.version == "2"
