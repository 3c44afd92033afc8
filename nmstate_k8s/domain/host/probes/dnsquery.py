"""One question to one DNS server, over a socket of our own.

dnspython is imported with the first query, and of it only what makes and reads a message.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Any

__all__ = ["NoAnswer", "ask"]

PORT = 53
RESEND_SECONDS = 0.8
"""A lost packet costs no more than that."""


class NoAnswer(Exception):
    """The server does not know, or is not reached; the text names it and says why."""


async def ask(server: str, host: str, kind: str, *, seconds: float, port: int = PORT) -> list[str]:
    """What the server answers: the texts of the records of that kind; it is asked again until the time is over.

    An answer that is too long for a packet is an answer, of no record.

    :raises NoAnswer: it says that there is none, or does not answer, or the name is none.
    """
    import dns.exception
    import dns.message

    try:
        query = dns.message.make_query(host, kind, id=secrets.randbelow(65536))
    except dns.exception.DNSException as error:
        raise NoAnswer(f"{host} is no name: {error}") from error
    try:
        async with asyncio.timeout(seconds):
            answer = await _exchange(server, port, query.to_wire(), query.id)
        return _records(server, kind, answer, query)
    except TimeoutError as error:
        raise NoAnswer(f"{server} does not answer") from error
    except OSError as error:
        raise NoAnswer(f"{server}: {error.strerror or error}") from error


async def _exchange(server: str, port: int, wire: bytes, number: int) -> bytes:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(server, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    family, *_, address = found[0]
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        await loop.sock_connect(udp, address)
        while True:
            await loop.sock_sendall(udp, wire)
            try:
                async with asyncio.timeout(RESEND_SECONDS):
                    return await _answer(udp, number)
            except TimeoutError:
                continue


async def _answer(udp: socket.socket, number: int) -> bytes:
    while True:
        answer = await asyncio.get_running_loop().sock_recv(udp, 4096)
        if answer[:2] == number.to_bytes(2, "big"):
            return answer


def _records(server: str, kind: str, answer: bytes, query: Any) -> list[str]:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    try:
        message = dns.message.from_wire(answer, ignore_trailing=True)
    except dns.exception.DNSException as error:
        raise NoAnswer(f"{server}: {error}") from error
    if not query.is_response(message):
        raise NoAnswer(f"{server} answers another question")
    if message.rcode() != dns.rcode.NOERROR:
        raise NoAnswer(f"{server}: {dns.rcode.to_text(message.rcode())}")
    wanted = dns.rdatatype.from_text(kind)
    found = [record.to_text() for entry in message.answer if entry.rdtype == wanted for record in entry]
    if not found and not message.flags & dns.flags.TC:
        raise NoAnswer(f"{server} knows no {kind} of {query.question[0].name.to_text(omit_final_dot=True)}")
    return found
