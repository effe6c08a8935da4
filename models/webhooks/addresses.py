"""Where a webhook may lead: to the Internet; to this machine or into the network where a setting allows that."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from models.errors import Invalid
from models.settings import Reach

Address = IPv4Address | IPv6Address

# Addresses of IPv4 inside those of IPv6, as networks without IPv4 reach them.
NAT64: Final = IPv6Network("64:ff9b::/96")
# Where clouds give machines their credentials: no receiver is there, so that no setting allows it.
METADATA: Final = tuple(
    map(
        ip_network,
        ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)


def allowed(text: str, reach: Reach) -> bool:
    """Whether a webhook of this reach may lead to an address."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return _allowed(IPv4Address(int(address) & 0xFFFF_FFFF), reach)
        if address.sixtofour or address.teredo or address.ipv4_mapped:
            return False
    return _allowed(address, reach)


def _allowed(address: Address, reach: Reach) -> bool:
    if address.is_loopback:
        return reach != "internet"
    if address.is_multicast or address.is_unspecified or any(address in network for network in METADATA):
        return False
    if reach == "network" and _is_of_a_network(address):
        return True
    return address.is_global and not address.is_reserved


def _is_of_a_network(address: Address) -> bool:
    return not address.is_reserved and not address.is_global


def check(url: str, reach: Reach) -> None:
    """What can be seen of a URL before its name is resolved, which is done for each delivery.

    Raises:
        Invalid: naming ``url``.
    """
    host = _host(url)
    if urlsplit(url).scheme != "https" and reach == "internet":
        raise Invalid("a webhook's URL begins with https://", field="url")
    address = _address(host)
    if address and not allowed(address, reach):
        raise Invalid(f"{host} is an address inside the network; a webhook leads to the Internet", field="url")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, bad_port = parts.hostname, parts.port == 0
    except ValueError:
        raise Invalid("the host or port of this URL cannot be read", field="url") from None
    if not host or bad_port or _says_more(parts):
        raise Invalid("send a URL of a host, without a user, a password or a fragment", field="url")
    return host


def _says_more(parts: SplitResult) -> bool:
    return "@" in parts.netloc or bool(parts.fragment)


def _address(host: str) -> str | None:
    """The address that a host is without asking anybody, also where it is written as 127.1 or 2130706433."""
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return _of_numbers(host)


def _of_numbers(host: str) -> str | None:
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
