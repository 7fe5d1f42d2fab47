"""Connections to the outside that do not reach inside.

An address that a user gives must not make the server ask machines of its own network (cloud metadata, databases,
itself). So a name is resolved here, every address that it has is looked at, and the connection goes to the address
that was looked at: a name that answers differently the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import smtplib
import socket
from typing import TYPE_CHECKING, Any

import httpcore

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["GuardedBackend", "GuardedSMTP", "Internal"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Internal:
    """What of the own network may be reached; nothing unless somebody said so.

    Args:
        allowed: names ("mail.lan"), addresses ("10.0.0.5") and networks ("10.0.0.0/8").

    Raises:
        UsageError: one of them is none of these.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for one in allowed:
            try:
                self._networks.append(ipaddress.ip_network(one))
            except ValueError:
                name = one.lower().rstrip(".")
                if not name or "/" in name or ":" in name:
                    raise UsageError(
                        f"internal = {one!r} cannot be taken; give a name, an address or a network such as 10.0.0.0/8"
                    ) from None
                self._names.add(name)

    def allows_name(self, host: str) -> bool:
        """Tell whether a host was allowed by its name."""
        return host.lower().rstrip(".") in self._names

    def allows(self, host: str, address: str) -> bool:
        """Tell whether a host may be reached at an address."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if self.allows_name(host) or any(found in network for network in self._networks):
            return True
        return all(one.is_global and not one.is_multicast for one in _meant(found))

    def addresses(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Return where a host is, as `socket.getaddrinfo` does, once every address is known to be allowed.

        Raises:
            OSError: there is no such host, or it is inside.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, place in found:
            if not self.allows(host, str(place[0])):
                raise PermissionError(
                    f"{host} is at {place[0]}, inside the server's own network; add it to internal = [...] in the "
                    "alerts file if that is meant"
                )
        return found

    def connect(self, host: str, port: int, timeout_s: float | None) -> socket.socket:
        """Connect to a host that may be reached.

        Raises:
            OSError: it may not, or it cannot be.
        """
        trouble: OSError | None = None
        for family, kind, protocol, _, place in self.addresses(host, port):
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(timeout_s)
            try:
                connection.connect(place)
            except OSError as error:
                connection.close()
                trouble = error
            else:
                return connection
        raise trouble or OSError(f"{host} has no address")


def _meant(address: _Address) -> Sequence[_Address]:
    """Return an address and the IPv4 addresses that are written into it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    found: list[_Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address.teredo is not None:
        found += address.teredo
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    inside = [one for one in found if one is not None]
    return inside if address.ipv4_mapped is not None else [address, *inside]


class GuardedBackend(httpcore.SyncBackend):
    """Opens connections for httpcore."""

    def __init__(self, internal: Internal) -> None:
        super().__init__()
        self._internal = internal

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        try:
            places = self._internal.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        trouble: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for *_, place in places:
            try:
                # TLS still checks the certificate for the name: only the socket goes to the address.
                return super().connect_tcp(str(place[0]), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, path: str, *_arguments: Any, **_options: Any) -> httpcore.NetworkStream:
        """Never."""
        raise httpcore.ConnectError(f"sockets such as {path} are not for alerts")


class GuardedSMTP(smtplib.SMTP):
    """A mail client that reaches its server only where it may be."""

    def __init__(self, internal: Internal, host: str, port: int, timeout_s: float) -> None:
        self._internal = internal
        super().__init__(host, port, timeout=timeout_s)

    # What smtplib's own SMTP_SSL overrides, too: the one place where it opens a socket.
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._internal.connect(host, port, timeout)
