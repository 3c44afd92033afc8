"""Secrets of a desired state: masked where they stand, gone from every text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nmstate_k8s.domain.desired.secrets import MASK, Redactor, is_secret, masked


def eth1(**section: Any) -> dict[str, Any]:
    return {"interfaces": [{"name": "eth1", "type": "ethernet", "802.1x": section}]}


def test_passwords_are_masked_and_nothing_else_changes() -> None:
    """The argument keeps its secrets: it is what is applied."""
    state = eth1(identity="me", password="hunter2", **{"private-key": "/etc/pki/me.key", "private-key-password": "pw"})
    shown = masked(state)["interfaces"][0]["802.1x"]
    assert shown == {
        "identity": "me",
        "password": MASK,
        "private-key": "/etc/pki/me.key",
        "private-key-password": MASK,
    }
    assert state["interfaces"][0]["802.1x"]["password"] == "hunter2"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "x"),
        ("private-key-password", "x"),
        ("mka-cak", "00ff"),
        ("psk", "x"),
        ("passwrd", "x"),
        ("pasword", "x"),
        ("Password", "x"),
        ("private_key_password", "x"),
        ("mka-cack", "x"),
        ("client-secret", "x"),
        ("private-key", "data:;base64,AAAA"),
    ],
)
def test_a_secret_key_is_known_also_where_it_is_misspelt(key: str, value: str) -> None:
    """libnmstate skips an unknown key in 802.1x without a word."""
    assert is_secret(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("private-key", "/etc/pki/a.key"),
        ("mka-ckn", "00"),
        ("token", "::1"),
        ("address", "192.0.2.1"),
        ("port", "eth1"),
        ("identity", "me"),
        ("ps", 1),
        ("mac-address", "02:00:00:00:00:01"),
        ("phase2-auth", "mschapv2"),
        ("peer", "veth0"),
    ],
)
def test_what_is_no_secret_is_shown(key: str, value: Any) -> None:
    """IPv6 tokens and key names are for people to see."""
    assert not is_secret(key, value)


@pytest.mark.parametrize(
    "secret", ["hunter2", 1234567, 'with "quotes" and \\', "büro-straße", "two\nlines", "a", "12", "up"]
)
def test_a_redactor_takes_secrets_out_of_every_text(secret: Any) -> None:
    """As they are, as JSON writes them, and as an error quotes them."""
    redactor = Redactor()
    redactor.learn(eth1(password=secret))
    quoted = f"invalid type: `{secret}`, expected a string; {json.dumps({'p': secret})}; {secret!r}"
    clean = redactor.text(quoted)
    for form in {str(secret), json.dumps(secret).strip('"'), repr(secret).strip("'")}:
        assert f"`{form}`" not in clean
        assert f'"{form}"' not in clean
        assert f"'{form}'" not in clean
    assert MASK in clean


def test_a_short_secret_is_taken_out_only_as_a_word() -> None:
    """A password of one letter does not make all messages unreadable."""
    redactor = Redactor()
    redactor.learn(eth1(password="a"))
    assert redactor.text("eth1 has a bad name: 'a'") == f"eth1 has {MASK} bad name: '{MASK}'"


def test_a_secret_that_holds_another_goes_as_a_whole() -> None:
    """Nothing of the longer one is left."""
    redactor = Redactor()
    redactor.learn([eth1(password="abcd"), eth1(password="abcdefgh")])
    assert redactor.text("abcdefgh abcd") == f"{MASK} {MASK}"


def test_logs_are_clean_in_every_key() -> None:
    """Whatever the value is: a text, a list, an error."""
    redactor = Redactor()
    event = {"event": "x", "error": ValueError("hunter2"), "lines": ["hunter2"], "line": "hunter2", "count": 3}
    assert redactor.log_processor(None, "info", event) is event
    redactor.learn(eth1(password="hunter2"))
    clean = redactor.log_processor(None, "info", event)
    assert "hunter2" not in str(clean)
    assert clean["count"] == 3


def test_a_redactor_forgets_the_oldest() -> None:
    """It is asked for every line of the log: it must stay small."""
    redactor = Redactor()
    for number in range(2000):
        redactor.learn(eth1(password=f"secret-{number:05}"))
    assert redactor.text("secret-01999") == MASK
    assert redactor.text("secret-00000") == "secret-00000"
