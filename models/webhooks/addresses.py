"""Where a webhook may lead: to addresses of the Internet, and inside the network only where a setting allows that."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from models.errors import Invalid

# Addresses of IPv4 inside those of IPv6, as networks without IPv4 reach them.
NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an address is one of the Internet: none of a machine, a private network, a cloud's metadata, or many."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return _is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.sixtofour or address.teredo or address.ipv4_mapped:
            return False
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def check(url: str, *, inside: bool) -> None:
    """What can be seen of a URL before its name is resolved, which is done for each delivery.

    Raises:
        Invalid: naming ``url``.
    """
    host = _host(url)
    if urlsplit(url).scheme != "https" and not inside:
        raise Invalid("a webhook's URL begins with https://", field="url")
    if not inside and _is_address(host) and not is_public(host):
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


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
