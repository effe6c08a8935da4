"""Where a request comes from."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

Address = IPv4Address | IPv6Address


def client_address(scope: Any, proxies: int) -> Address | None:
    """The client's address, an IPv4 one also where it came as IPv6; None where it is none.

    It is the socket's peer. Behind ``proxies`` trusted proxies, each of which appends its own peer to X-Forwarded-For,
    it is the entry that the outermost of them has made; what a client wrote there itself is further left and ignored.
    """
    peer = _address((scope.get("client") or ("",))[0])
    if not proxies:
        return peer
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = ",".join(lines).split(",")
    told = _address(hops[-proxies].strip()) if len(hops) >= proxies else None
    return told or peer


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
