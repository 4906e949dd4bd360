"""Ray, as we start it, is reachable from this machine alone."""

import contextlib
import ipaddress

import psutil


def listening_addresses():
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # Ray's idle workers come and go
            yield from (c.laddr for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN)


def test_nothing_listens_beyond_loopback(ray_session):
    addresses = list(listening_addresses())
    assert addresses  # Ray's own servers are among them
    for address in addresses:
        host = ipaddress.ip_address(address.ip)
        assert (getattr(host, "ipv4_mapped", None) or host).is_loopback, address
