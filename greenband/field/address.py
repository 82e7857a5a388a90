"""Network addresses as people write them, in one form each, so that equal ones are seen to be equal."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["joined", "normal_host", "split_port"]

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
MOST_CHARACTERS = 253
ALLOWED = "a host name, an IPv4 or an IPv6 address"


def split_port(address: str) -> tuple[str, str | None]:
    """Host and port of ``host``, ``host:port``, ``v6`` or ``[v6]:port``; neither is looked at.

    Raises:
        ValueError: it has brackets of another form, or a user.
    """
    if "@" in address:
        raise ValueError(f"must be {ALLOWED}, without a user")
    if address.startswith("["):
        if not (found := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", address)):
            raise ValueError("must be [IPv6]:port where it begins with a bracket")
        return found[1], found[2]
    if address.count(":") == 1:
        host, _, port = address.partition(":")
        return host, port
    return address, None


def normal_host(text: str) -> str:
    """A host in its one form: small letters, IPv6 compressed, IPv4 within IPv6 as IPv4.

    A name and the address that it stands for remain two, as nothing is asked of the network.

    Raises:
        ValueError: it is no host, or not one device's.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return _normal_name(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        raise ValueError("must be the address of one device")
    return str(address)


def _normal_name(text: str) -> str:
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    numeric = labels[-1].isdigit() or labels[-1].startswith("0x")  # resolvers take 10.1 for 10.0.0.1, and 010 for 8
    if len(name) > MOST_CHARACTERS or numeric or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"must be {ALLOWED}, with :port or [IPv6]:port where a port is given")
    return name


def joined(host: str, port: int) -> str:
    """Host and port as one text, such as ``10.1.0.6:161`` or ``[fe80::6]:161``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
