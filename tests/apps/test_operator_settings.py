"""What the operator reads from its environment."""

from __future__ import annotations

import pytest

from nmstate_k8s.apps.settings import Environment, OperatorSettings, SettingsError


def read(**values: str) -> OperatorSettings:
    """The settings of an environment that names the image."""
    return OperatorSettings.from_environment(Environment({"RELATED_IMAGE_HANDLER_IMAGE": "handler:1", **values}))


def test_the_image_is_all_that_must_be_said() -> None:
    """Everything else has the value that users know."""
    settings = read()
    assert settings.install.namespace == settings.namespace == "nmstate"
    assert settings.install.prefix == ""
    assert settings.install.image_pull_policy == "IfNotPresent"
    assert settings.health_address == ":8081"


def test_retry_variables_are_taken_as_they_stand() -> None:
    """NNCP_* are the handlers' business: neither parsed nor changed here."""
    found = read(NNCP_MAX_RETRIES="two", NNCP_INITIAL_BACKOFF_SECONDS="", OTHER="x").install.handler_environment
    assert found == {"NNCP_MAX_RETRIES": "two", "NNCP_INITIAL_BACKOFF_SECONDS": ""}


def test_an_empty_variable_is_not_set() -> None:
    """Manifests list variables with empty values."""
    assert read(HANDLER_PREFIX="", HANDLER_NAMESPACE="").install.namespace == "nmstate"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"RELATED_IMAGE_HANDLER_IMAGE": ""}, "RELATED_IMAGE_HANDLER_IMAGE is not set"),
        ({"HANDLER_IMAGE_PULL_POLICY": "Sometimes"}, "HANDLER_IMAGE_PULL_POLICY is 'Sometimes', it must be one of"),
    ],
)
def test_what_cannot_be_ends_the_program_with_the_name(values: dict[str, str], told: str) -> None:
    """The one who deployed it sees at once which variable to mend."""
    with pytest.raises(SettingsError, match=told):
        read(**values)
