"""Which addresses are of the Internet, and which URLs are taken."""

from contextlib import suppress
from ipaddress import IPv4Address
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.settings import Reach
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
    assert not addresses.allowed(address, "internet")


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_told(address: str) -> None:
    assert addresses.allowed(address, "internet")


@given(st.ip_addresses(v=4), st.sampled_from(get_args(Reach)))
def test_an_address_is_judged_alike_behind_nat64(address: IPv4Address, reach: Reach) -> None:
    assert addresses.allowed(f"64:ff9b::{_hex(address)}", reach) == addresses.allowed(str(address), reach)


def _hex(address: IPv4Address) -> str:
    high, low = divmod(int(address), 65_536)
    return f"{high:x}:{low:x}"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_reached_where_the_network_is_not(address: str) -> None:
    assert addresses.allowed(address, "machine")
    assert not addresses.allowed("10.1.2.3", "machine")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "100.64.0.1", "fd12::1", "8.8.8.8"])
def test_a_network_is_reached_where_that_is_allowed(address: str) -> None:
    assert addresses.allowed(address, "network")


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "64:ff9b::a9fe:a9fe",
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "ff02::1",
        "::ffff:10.0.0.1",
    ],
)
@pytest.mark.parametrize("reach", get_args(Reach))
def test_the_metadata_of_a_cloud_and_what_is_no_receiver_is_reached_nowhere(address: str, reach: Reach) -> None:
    assert not addresses.allowed(address, reach)


@pytest.mark.parametrize(
    "url", ["https://[::1]/", "https://127.1/", "https://2130706433/", "https://a.localhost/", "http://a.example/"]
)
def test_a_url_that_leads_to_this_machine_or_is_plain_is_for_development(url: str) -> None:
    addresses.check(url, "machine")
    with pytest.raises(Invalid) as refused:
        addresses.check(url, "internet")
    assert refused.value.field == "url"


@pytest.mark.parametrize("url", ["https://10.0.0.1:8443/x", "http://0xa000001/", "https://[fd12::1]/"])
def test_a_url_that_leads_into_the_network_is_taken_only_where_that_is_allowed(url: str) -> None:
    addresses.check(url, "network")
    with pytest.raises(Invalid, match="inside the network"):
        addresses.check(url, "machine")


@pytest.mark.parametrize(
    "url", ["https://a:b@x.example", "https://x.example/#a", "https://:80/", "https://x.example:0/", "https://[x"]
)
def test_a_url_that_says_too_much_or_too_little_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        addresses.check(url, "network")


@given(st.from_regex(r"^https?://[!-~]+\Z"))
def test_any_other_url_is_taken_or_refused(url: str) -> None:
    with suppress(Invalid):
        addresses.check(url, "internet")
