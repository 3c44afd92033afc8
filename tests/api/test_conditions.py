"""Conditions are compared as a whole by people's scripts: they are spelled out here as a whole."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from nmstate_k8s.api.conditions import (
    Condition,
    EnactmentPhase,
    NMStatePhase,
    PolicyPhase,
    enactment_conditions,
    enactment_phase,
    nmstate_conditions,
    nmstate_phase,
    policy_conditions,
    policy_phase,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
STAMP = NOW.replace(microsecond=0)
LATER = NOW + timedelta(minutes=1)


def rows(conditions: tuple[Condition, ...]) -> list[str]:
    """Type, status, reason and message, a line each."""
    return [f"{each.type} {each.status} {each.reason} {each.message}".strip() for each in conditions]


ENACTMENT = {
    EnactmentPhase.PENDING: [
        "Progressing False MaxUnavailableLimitReached",
        "Failing False MaxUnavailableLimitReached",
        "Available False MaxUnavailableLimitReached",
        "Pending True MaxUnavailableLimitReached Waiting for progressing nodes to finish",
        "Aborted False MaxUnavailableLimitReached",
    ],
    EnactmentPhase.PROGRESSING: [
        "Progressing True ConfigurationProgressing Applying desired state",
        "Failing Unknown ConfigurationProgressing",
        "Available Unknown ConfigurationProgressing",
        "Pending False ConfigurationProgressing",
        "Aborted False ConfigurationProgressing",
    ],
    EnactmentPhase.RETRYING: [
        "Progressing True Retrying why",
        "Failing True Retrying why",
        "Available False Retrying",
        "Pending False Retrying",
        "Aborted False SuccessfullyConfigured",
    ],
    EnactmentPhase.FAILED: [
        "Progressing False FailedToConfigure",
        "Failing True FailedToConfigure why",
        "Available False FailedToConfigure",
        "Pending False FailedToConfigure",
        "Aborted False SuccessfullyConfigured",
    ],
    EnactmentPhase.AVAILABLE: [
        "Progressing False SuccessfullyConfigured",
        "Failing False SuccessfullyConfigured",
        "Available True SuccessfullyConfigured successfully reconciled",
        "Pending False SuccessfullyConfigured",
        "Aborted False SuccessfullyConfigured",
    ],
    EnactmentPhase.ABORTED: [
        "Progressing False ConfigurationAborted",
        "Failing False ConfigurationAborted",
        "Available False ConfigurationAborted",
        "Pending False ConfigurationAborted",
        "Aborted True ConfigurationAborted why",
    ],
}
TOLD = {EnactmentPhase.RETRYING, EnactmentPhase.FAILED, EnactmentPhase.ABORTED}


@pytest.mark.parametrize("phase", EnactmentPhase)
def test_each_phase_of_an_enactment_sets_exactly_its_five_conditions(phase: EnactmentPhase) -> None:
    """All five types, in the order that clients read, with the contract's words, and nothing of ours."""
    conditions = enactment_conditions(phase, "why" if phase in TOLD else "", now=NOW)
    assert rows(conditions) == ENACTMENT[phase]
    assert all(set(msgspec.to_builtins(each)) <= {
        "type", "status", "reason", "message", "lastTransitionTime", "lastHeartbeatTime"
    } for each in conditions)  # fmt: skip


@pytest.mark.parametrize("phase", EnactmentPhase)
def test_the_phase_of_an_enactment_is_read_back_from_its_conditions(phase: EnactmentPhase) -> None:
    """What was written can be told apart."""
    assert enactment_phase(enactment_conditions(phase, "why", now=NOW)) is phase


def test_no_conditions_tell_of_no_phase() -> None:
    """Cleared or never set: nothing is known."""
    assert enactment_phase(()) is None
    assert policy_phase(()) is None
    assert nmstate_phase(()) is None


POLICY = {
    PolicyPhase.UNKNOWN: [
        "Available Unknown",
        "Degraded Unknown",
        "Progressing Unknown",
        "Ignored Unknown",
        "Ready Unknown",
    ],
    PolicyPhase.IGNORED: [
        "Available False NoMatchingNode",
        "Degraded False NoMatchingNode",
        "Progressing False NoMatchingNode",
        "Ignored True NoMatchingNode Policy does not match any node",
        "Ready True NoMatchingNode Policy does not match any node",
    ],
    PolicyPhase.DEGRADED: [
        "Available False FailedToConfigure",
        "Degraded True FailedToConfigure why",
        "Progressing False FailedToConfigure",
        "Ignored False FailedToConfigure",
        "Ready False FailedToConfigure why",
        "Stalled True FailedToConfigure why",
    ],
    PolicyPhase.PROGRESSING: [
        "Available Unknown ConfigurationProgressing",
        "Degraded Unknown ConfigurationProgressing",
        "Progressing True ConfigurationProgressing why",
        "Ignored False ConfigurationProgressing",
        "Ready Unknown ConfigurationProgressing why",
        "Reconciling True ConfigurationProgressing why",
    ],
    PolicyPhase.AVAILABLE: [
        "Available True SuccessfullyConfigured why",
        "Degraded False SuccessfullyConfigured",
        "Progressing False SuccessfullyConfigured",
        "Ignored False SuccessfullyConfigured",
        "Ready True SuccessfullyConfigured why",
    ],
}


@pytest.mark.parametrize("phase", PolicyPhase)
def test_each_phase_of_a_policy_sets_the_native_four_and_then_kstatus(phase: PolicyPhase) -> None:
    """The first True one is the native one, which is what columns and consoles show."""
    message = "" if phase in (PolicyPhase.UNKNOWN, PolicyPhase.IGNORED) else "why"
    conditions = policy_conditions(phase, message, generation=7, now=NOW)
    assert rows(conditions) == POLICY[phase]
    assert {each.observed_generation for each in conditions} == {7}
    assert policy_phase(conditions) is phase


NMSTATE = {
    NMStatePhase.DEPLOYING: [
        "Available False Deploying",
        "Progressing True Deploying why",
        "Degraded False Deploying",
        "Ready Unknown Deploying why",
        "Reconciling True Deploying why",
    ],
    NMStatePhase.AVAILABLE: [
        "Available True SuccessfullyDeployed All components are available and ready",
        "Progressing False SuccessfullyDeployed",
        "Degraded False SuccessfullyDeployed",
        "Ready True SuccessfullyDeployed All components are available and ready",
    ],
    NMStatePhase.ERROR: [
        "Available False InternalError",
        "Progressing False InternalError",
        "Degraded True InternalError why",
        "Ready False InternalError why",
        "Stalled True InternalError why",
    ],
}


@pytest.mark.parametrize("phase", NMStatePhase)
def test_each_phase_of_an_nmstate_sets_the_native_three_and_then_kstatus(phase: NMStatePhase) -> None:
    """In the contract's order, each with the generation that it speaks of and both times."""
    message = "" if phase is NMStatePhase.AVAILABLE else "why"
    conditions = nmstate_conditions(phase, message, generation=2, now=NOW)
    assert rows(conditions) == NMSTATE[phase]
    assert {(each.last_transition_time, each.last_heartbeat_time) for each in conditions} == {(STAMP, STAMP)}
    assert {each.observed_generation for each in conditions} == {2}
    assert nmstate_phase(conditions) is phase


def test_every_true_condition_has_a_reason() -> None:
    """Argo CD's health check fails on one without."""
    everything = [
        *(enactment_conditions(phase, now=NOW) for phase in EnactmentPhase),
        *(policy_conditions(phase, generation=1, now=NOW) for phase in PolicyPhase),
        *(nmstate_conditions(phase, generation=1, now=NOW) for phase in NMStatePhase),
    ]
    assert all(each.reason for conditions in everything for each in conditions if each.status == "True")


def test_the_same_again_is_the_same_value() -> None:
    """Nothing moves where nothing changed, so that a writer can compare and stay silent."""
    before = enactment_conditions(EnactmentPhase.AVAILABLE, now=NOW)
    assert enactment_conditions(EnactmentPhase.AVAILABLE, now=LATER, previous=before) == before


def test_a_changed_status_moves_both_times_and_a_changed_message_only_the_heartbeat() -> None:
    """lastTransitionTime follows the status alone."""
    before = policy_conditions(PolicyPhase.PROGRESSING, "0/2", generation=1, now=NOW)
    told = policy_conditions(PolicyPhase.PROGRESSING, "1/2", generation=1, now=LATER, previous=before)
    progressing = next(each for each in told if each.type == "Progressing")
    assert (progressing.last_transition_time, progressing.last_heartbeat_time) == (
        STAMP,
        LATER.replace(microsecond=0),
    )
    done = policy_conditions(PolicyPhase.AVAILABLE, "2/2", generation=1, now=LATER, previous=before)
    available = next(each for each in done if each.type == "Available")
    ignored = next(each for each in done if each.type == "Ignored")
    assert available.last_transition_time == LATER.replace(microsecond=0)
    assert ignored.last_transition_time == STAMP


def test_times_are_whole_seconds_in_utc() -> None:
    """As Kubernetes writes them."""
    encoded = msgspec.to_builtins(enactment_conditions(EnactmentPhase.PENDING, now=NOW))
    assert {each["lastTransitionTime"] for each in encoded} == {"2026-01-02T03:04:05Z"}
