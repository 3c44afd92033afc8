"""ICMP echoes on a socket of our own, through a given interface, until one is answered.

Needs CAP_NET_RAW. The payload is random, so that an answer to somebody else's echo is not taken for ours.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from nmstate_k8s.domain.host.probes.result import ProbeFailed

__all__ = ["echo"]

_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_ICMPV6_FILTER = 1
_HEADER = struct.Struct("!BBHHH")
RESEND_SECONDS = 0.5
"""A lost packet costs no more than that."""


async def echo(address: str, interface: str) -> None:
    """Return when the address has answered. Waits for ever otherwise: the caller bounds it.

    :raises ProbeFailed: if the echo cannot be sent.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
            raw.setblocking(False)
            target = _bound(raw, family, address, interface)
            await _exchange(raw, family, target)
    except OSError as error:
        raise ProbeFailed(f"{address} on {interface}: {error.strerror or error}") from error


def _bound(
    raw: socket.socket, family: int, address: str, interface: str
) -> tuple[str, int] | tuple[str, int, int, int]:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    if family == socket.AF_INET:
        return (address, 0)
    only_replies = bytearray(b"\xff" * 32)
    only_replies[_REPLY[socket.AF_INET6] // 8] &= ~(1 << (_REPLY[socket.AF_INET6] % 8)) & 0xFF
    raw.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, bytes(_native_words(only_replies)))
    scope = socket.if_nametoindex(interface) if address.lower().startswith("fe80:") else 0
    return (address, 0, 0, scope)


def _native_words(bits: bytearray) -> bytes:
    """The filter is eight 32-bit words in the machine's byte order."""
    return struct.pack("=8I", *struct.unpack("<8I", bits))


async def _exchange(raw: socket.socket, family: int, target: tuple[str, int] | tuple[str, int, int, int]) -> None:
    loop = asyncio.get_running_loop()
    token = os.urandom(16)
    identifier = int.from_bytes(token[:2], "big")
    header = _HEADER.pack(_REQUEST[socket.AddressFamily(family)], 0, 0, identifier, 1)
    checksum = _checksum(header + token) if family == socket.AF_INET else 0  # the kernel fills in ICMPv6's
    packet = _HEADER.pack(_REQUEST[socket.AddressFamily(family)], 0, checksum, identifier, 1) + token
    while True:
        await loop.sock_sendto(raw, packet, target)
        try:
            async with asyncio.timeout(RESEND_SECONDS):
                return await _answer(raw, family, identifier, token)
        except TimeoutError:
            continue


async def _answer(raw: socket.socket, family: int, identifier: int, token: bytes) -> None:
    loop = asyncio.get_running_loop()
    while True:
        answer = await loop.sock_recv(raw, 2048)
        if family == socket.AF_INET:
            answer = answer[(answer[0] & 0x0F) * 4 :] if answer else b""
        if len(answer) >= _HEADER.size + len(token):
            kind, _, _, found, _ = _HEADER.unpack_from(answer)
            if kind == _REPLY[socket.AddressFamily(family)] and found == identifier and answer.endswith(token):
                return


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
