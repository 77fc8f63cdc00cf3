"""A URL that names several servers: how it is read, and which of them is gone to."""

from __future__ import annotations

import pytest

from stream.errors import ConfigurationError
from stream.mysql.hosts import Address, split_hosts

SOUND = {
    "mysql+pymysql://u:p@db1/stream": (),
    "mysql+pymysql://u:p,q@db1:3306/stream?charset=utf8mb4": (),
    "mysql+pymysql://u:p@db1,db2:3307/stream": (Address("db1", 3306), Address("db2", 3307)),
    "mysql+pymysql://u:p,q@db1:1,db2:2,db3:3/stream?x=1,2": (Address("db1", 1), Address("db2", 2), Address("db3", 3)),
    "mysql+pymysql://u:p@[::1]:3306,[fe80::2]/stream": (Address("::1", 3306), Address("fe80::2", 3306)),
}


@pytest.mark.parametrize(("url", "addresses"), SOUND.items())
def test_servers_are_separated_by_commas(url: str, addresses: tuple[Address, ...]) -> None:
    rest, named = split_hosts(url)
    assert named == addresses
    assert rest == url if not addresses else "," not in rest.rpartition("@")[2].partition("/")[0]


@pytest.mark.parametrize("hosts", ["db1,", "db1:x,db2", "db1:3306:1,db2", ",db2", "db 1,db2"])
def test_servers_of_another_form_are_refused(hosts: str) -> None:
    with pytest.raises(ConfigurationError, match="host:port,host:port"):
        split_hosts(f"mysql+pymysql://u:p@{hosts}/stream")
