"""Which addresses are of the Internet, and which URLs are taken."""

from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.webhooks import addresses

INSIDE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the metadata of a cloud
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
)


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_the_network_is_told(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_told(address: str) -> None:
    assert addresses.is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_behind_nat64(address: IPv4Address) -> None:
    assert addresses.is_public(f"64:ff9b::{_hex(address)}") == addresses.is_public(str(address))


def _hex(address: IPv4Address) -> str:
    high, low = divmod(int(address), 65_536)
    return f"{high:x}:{low:x}"


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/", "https://[::1]/", "https://10.0.0.1:8443/x", "http://a.example/"]
)
def test_a_url_that_leads_inside_is_taken_only_where_that_is_allowed(url: str) -> None:
    addresses.check(url, inside=True)
    with pytest.raises(Invalid) as refused:
        addresses.check(url, inside=False)
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "url", ["https://a:b@x.example", "https://x.example/#a", "https://:80/", "https://x.example:0/", "https://[x"]
)
def test_a_url_that_says_too_much_or_too_little_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        addresses.check(url, inside=True)


@given(st.from_regex(r"^https?://[!-~]+\Z"))
def test_any_other_url_is_taken_or_refused(url: str) -> None:
    with suppress(Invalid):
        addresses.check(url, inside=False)
