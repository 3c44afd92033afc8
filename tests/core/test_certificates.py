"""What lies in the Secret: what is made can be read back and served; what was garbled is left out."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.rotation import Durations, Step, plan
from tests.core.webhookkit import HOST, ring_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RING = ring_of(now=NOW)
DATA = RING.to_data()


def settled(ring: Keyring, now: datetime, *, injected: bool = True) -> Keyring:
    """The ring after all that is due."""
    for _ in range(10):
        step, authority, _ = plan(ring.facts, now, Durations(), injected=injected)
        if step is None:
            return ring
        ring = ring.do(step, authority, now, Durations())
    raise AssertionError("the plan never ends")


def read(**changed: bytes) -> Keyring:
    """The Secret, some parts of it changed."""
    return Keyring.from_data(DATA | {name.replace("_", "."): value for name, value in changed.items()}, [HOST])


def test_a_ring_is_read_as_it_was_written() -> None:
    """All of it, more than one CA too."""
    old = settled(settled(RING, NOW + 300 * DAY), NOW + 366 * DAY)
    assert [len(each.cas) for each in (RING, old)] == [1, 2]
    for ring in (RING, old):
        assert Keyring.from_data(ring.to_data(), [HOST]).to_data() == ring.to_data()
        assert Keyring.from_data(ring.to_data(), [HOST]).facts == ring.facts


def test_a_ca_that_is_no_longer_needed_loses_its_key() -> None:
    """Once a leaf of a newer one is served: whoever reads the Secret later gains nothing by the older."""
    made = settled(settled(RING, NOW + 300 * DAY), NOW + 366 * DAY)
    signed = settled(made, NOW + 367 * DAY)
    assert [each.key is not None for each in made.cas] == [True, True]
    assert [each.key is not None for each in signed.cas] == [False, True]
    assert signed.leaf is not None
    assert signed.facts.leaf is not None
    assert signed.facts.leaf.authority == signed.cas[1].id


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "rotation.json", "tls.crt", "tls.key"])
@pytest.mark.parametrize("garble", [lambda data: b"", lambda data: b"garbage", lambda data: data[: len(data) // 2]])
def test_a_part_that_is_garbled_is_made_anew(name: str, garble: Callable[[bytes], bytes]) -> None:
    """And what is left is kept: a leaf is made by the CA that is there, a CA without its key is still trusted."""
    ring = settled(Keyring.from_data(DATA | {name: garble(DATA[name])}, [HOST]), NOW + DAY)
    assert ring.leaf is not None
    assert ring.facts.leaf is not None
    trusted = {each.id for each in ring.cas}
    assert ring.facts.leaf.authority in trusted
    if name != "ca.crt":
        assert RING.cas[0].id in trusted


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(DATA)),
    st.integers(0, 2000),
    st.one_of(st.binary(max_size=40), st.binary(min_size=1, max_size=1)),
)
def test_no_garble_is_more_than_a_hole(name: str, at: int, garble: bytes) -> None:
    """Whatever is in the Secret, it is read, and the plan makes a ring of it that can be served."""
    data = DATA[name]
    ring = Keyring.from_data(DATA | {name: data[:at] + garble + data[at + len(garble) :]}, [HOST])
    ring = settled(ring, NOW + DAY)
    assert ring.facts.leaf is not None
    assert Keyring.from_data(ring.to_data(), [HOST]).facts.leaf == ring.facts.leaf


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt"])
@pytest.mark.parametrize(
    ("part", "garbled"),
    [
        pytest.param(b"\x55\x1d\x0e", b"\x55\x1d\x23", id="an extension twice"),
        pytest.param(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", id="a version that there is not"),
    ],
)
def test_a_bit_that_makes_a_certificate_against_all_rules_is_a_hole(name: str, part: bytes, garbled: bytes) -> None:
    """The library has errors of its own for it."""
    der = ssl.PEM_cert_to_DER_cert(DATA[name].decode())
    assert part in der
    pem = ssl.DER_cert_to_PEM_cert(der.replace(part, garbled)).encode()
    ring = Keyring.from_data(DATA | {name: pem}, [HOST])
    assert (ring.cas == ()) if name == "ca.crt" else (ring.leaf is None)


def test_a_certificate_for_other_names_is_no_certificate() -> None:
    """A server that got another name needs another one; the CA stays."""
    ring = Keyring.from_data(DATA, ["new.things.svc", "10.0.0.1"])
    assert ring.leaf is None
    renewed = settled(ring, NOW + DAY)
    assert renewed.leaf is not None
    assert [each.id for each in renewed.cas] == [RING.cas[0].id]


def test_a_certificate_of_another_ca_is_no_certificate() -> None:
    """Nobody who has the bundle trusts it."""
    other = ring_of(now=NOW).to_data()
    ring = read(tls_crt=other["tls.crt"], tls_key=other["tls.key"])
    assert ring.facts.leaf is None


def test_a_certificate_is_valid_a_little_before_it_was_made_and_no_longer_than_its_ca() -> None:
    """Clocks differ; and a leaf that outlives its CA is worth nothing."""
    leaf, ca = RING.leaf, RING.cas[0].certificate
    assert leaf is not None
    assert leaf.not_valid_before_utc == NOW - timedelta(minutes=10)
    late = RING.do(Step.MAKE_LEAF, RING.cas[0].id, ca.not_valid_after_utc - DAY, Durations())
    assert late.leaf is not None
    assert late.leaf.not_valid_after_utc == ca.not_valid_after_utc


def test_what_is_made_is_what_openssl_wants() -> None:
    """A strict client verifies it by the bundle."""
    context = ssl.create_default_context(cadata=RING.bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert context.cert_store_stats()["x509_ca"] == 1


def test_a_key_that_is_not_there_cannot_sign() -> None:
    """It is said, not passed over."""
    with pytest.raises(KeyError, match="its key is not there"):
        read(ca_key=b"").do(Step.MAKE_LEAF, RING.cas[0].id, NOW, Durations())
