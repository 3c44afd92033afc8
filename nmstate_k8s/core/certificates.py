"""CAs and certificates of a server of our own, as they lie in a Secret. The only module that needs `cryptography`.

The Secret has, all PEM: `tls.crt` and `tls.key`, what is served; `ca.crt`, the bundle that
callers are to trust, from the oldest CA to the newest; `ca.key`, the keys of those CAs that still sign; and
`rotation.json`, since when each CA is trusted and used (`rotation`), by fingerprint. What cannot be read is left out:
a garbled Secret is a ring with holes, which the plan fills.
"""

import ipaddress
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nmstate_k8s.core.rotation import BACKDATE, Authority, Durations, Leaf, Ring, Step

__all__ = ["Keyring", "general_name", "key_usage"]

_GARBLE: Final = (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
"""What `cryptography` says of some certificates, beside ValueError."""
_END: Final = b"-----END CERTIFICATE-----"
_KEY_END: Final = b"-----END EC PRIVATE KEY-----"


class _Times(msgspec.Struct, omit_defaults=True):
    trusted: datetime | None = None
    used: datetime | None = None


@dataclass(frozen=True)
class _Ca:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | None
    times: _Times

    @property
    def id(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()[:32]

    @property
    def facts(self) -> Authority:
        certificate = self.certificate
        return Authority(
            self.id,
            certificate.not_valid_before_utc + BACKDATE,
            certificate.not_valid_after_utc,
            self.key is not None,
            self.times.trusted,
            self.times.used,
        )


@dataclass(frozen=True)
class Keyring:
    """What the Secret holds, immutable; `do` makes the next one."""

    hosts: tuple[str, ...]
    """Names by which the server is called; the first is its common name."""
    cas: tuple[_Ca, ...] = ()
    leaf: x509.Certificate | None = None
    leaf_key: ec.EllipticCurvePrivateKey | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, bytes], hosts: Sequence[str]) -> "Keyring":
        """What can be read of a Secret's data."""
        keys = [key for part in _parts(data.get("ca.key", b""), _KEY_END) if (key := _key(part))]
        try:
            times = msgspec.json.decode(data.get("rotation.json", b"{}"), type=dict[str, _Times])
        except (msgspec.MsgspecError, ValueError):  # ValueError: no UTF-8
            times = {}
        cas: dict[str, _Ca] = {}
        for part in _parts(data.get("ca.crt", b""), _END):
            certificate = _certificate(part)
            if certificate is not None and _issued(certificate, certificate):
                key = next((each for each in keys if each.public_key() == certificate.public_key()), None)
                found = _Ca(certificate, key, _Times())
                cas[found.id] = replace(found, times=times.get(found.id, _Times()))
        leaf, leaf_key = _certificate(data.get("tls.crt", b"")), _key(data.get("tls.key", b""))
        # As they stand, from the oldest to the newest: by their times, a clock that was set back would mix them up.
        ring = cls(tuple(hosts), tuple(cas.values()), leaf, leaf_key)
        return ring._in_use() if ring._leaf_fits() else replace(ring, leaf=None, leaf_key=None)

    @property
    def facts(self) -> Ring:
        """What the plan is made of."""
        leaf, signer = self.leaf, self._signer()
        if leaf is None or signer is None:
            return Ring(tuple(each.facts for each in self.cas))
        made = leaf.not_valid_before_utc + BACKDATE
        return Ring(tuple(each.facts for each in self.cas), Leaf(signer.id, made, leaf.not_valid_after_utc))

    @property
    def bundle(self) -> bytes:
        """The CAs that callers are to trust, PEM."""
        return b"".join(_pem(each.certificate) for each in self.cas)

    def to_data(self) -> dict[str, bytes]:
        """The Secret's data."""
        data = {
            "ca.crt": self.bundle,
            "ca.key": b"".join(_key_pem(each.key) for each in self.cas if each.key is not None),
            "rotation.json": msgspec.json.encode({each.id: each.times for each in self.cas}),
            "tls.crt": b"",
            "tls.key": b"",
        }
        if self.leaf is not None and self.leaf_key is not None:
            data |= {"tls.crt": _pem(self.leaf), "tls.key": _key_pem(self.leaf_key)}
        return data

    def do(self, step: Step, authority: str, now: datetime, durations: Durations) -> "Keyring":
        """The ring after a step of the plan.

        :raises KeyError: if the step is about a CA that is not there.
        """
        now = now.astimezone(UTC)
        if step is Step.MAKE_AUTHORITY:
            return replace(self, cas=(*self.cas, _new_ca(self.hosts[0], now, durations)))
        by_id = {each.id: each for each in self.cas}
        ca = by_id[authority]
        if step is Step.DROP_AUTHORITY:
            return replace(self, cas=tuple(each for each in self.cas if each.id != authority))
        if step is Step.NOTE_TRUST:
            return self._with(replace(ca, times=_Times(now, ca.times.used)))
        used = self._with(replace(ca, times=_Times(ca.times.trusted, ca.times.used or now)))
        leaf, key = _new_leaf(ca, self.hosts, now, durations)
        # Older CAs have signed for the last time.
        place = [each.id for each in used.cas].index(authority)
        cas = tuple(replace(each, key=None) if at < place else each for at, each in enumerate(used.cas))
        return replace(used, cas=cas, leaf=leaf, leaf_key=key)

    def _with(self, ca: _Ca) -> "Keyring":
        return replace(self, cas=tuple(ca if each.id == ca.id else each for each in self.cas))

    def _in_use(self) -> "Keyring":
        """The ring where the CA of the leaf is known to be used, also if the note about it was lost."""
        signer = self._signer()
        if self.leaf is None or signer is None or signer.times.used is not None:
            return self
        made = self.leaf.not_valid_before_utc + BACKDATE
        return self._with(replace(signer, times=_Times(signer.times.trusted, made)))

    def _signer(self) -> _Ca | None:
        """The CA that has signed the leaf."""
        return next((each for each in self.cas if _issued(self.leaf, each.certificate)), None)

    def _leaf_fits(self) -> bool:
        if self.leaf is None or self.leaf_key is None or self.leaf.public_key() != self.leaf_key.public_key():
            return False
        try:
            names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError, *_GARBLE):
            return False
        return set(names) == set(map(general_name, self.hosts))


def _new_ca(name: str, now: datetime, durations: Durations) -> _Ca:
    key = ec.generate_private_key(ec.SECP256R1())
    # Every CA has a name of its own: a chain is found by it.
    subject = _subject(f"{name[:40]} CA {int(now.timestamp())}")
    certificate = (
        _builder(subject, subject, key, key, now, now + durations.ca_validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Ca(certificate, key, _Times())


def _new_leaf(
    ca: _Ca, hosts: Sequence[str], now: datetime, durations: Durations
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if ca.key is None:
        raise KeyError(f"the CA {ca.id} cannot sign: its key is not there")
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + durations.leaf_validity, ca.certificate.not_valid_after_utc)
    certificate = (
        _builder(_subject(hosts[0][:64]), ca.certificate.subject, key, ca.key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(map(general_name, hosts))), critical=False)
        .sign(ca.key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """What a CA's key is for, or that of who is called or calls: the rules are checked by who trusts it."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def general_name(host: str) -> x509.GeneralName:
    """A host as a certificate names it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _parts(pem: bytes, end: bytes) -> list[bytes]:
    return [part + end for part in pem.split(end)[:-1]]


def _certificate(pem: bytes) -> x509.Certificate | None:
    try:
        with warnings.catch_warnings(action="error"):  # what may be read but is against the rules is garble as well
            found = x509.load_pem_x509_certificate(pem)
            found.extensions  # noqa: B018 - some garble shows only here
            found.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, Warning, *_GARBLE):
        return None
    return found


def _issued(certificate: x509.Certificate | None, by: x509.Certificate) -> bool:
    """Whether that one has signed it, so that not a bit of it is garbled."""
    if certificate is None:
        return False
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, *_GARBLE):
        return False
    return True


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
