"""Addresses: whole, ASCII, one @, and nothing in them is taken for something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid.address import domain_of, is_service_account, normal_address


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("ana@example.com", "ana@example.com"),
        ("ANA@Example.COM", "ana@example.com"),
        ("a.b+c@example.com", "a.b+c@example.com"),
        ("\u212aate@example.com", None),
        ("\u017fam@example.com", None),
        ("ana@example.com\u200b", None),
        ("anä@example.com", None),
        ("ana", None),
        ("ana@", None),
        ("@example.com", None),
        ("@", None),
        ("", None),
        ("ana@example.com@evil.example", None),
        ("ana@@example.com", None),
        (None, None),
        (5, None),
        (True, None),
        (["ana@example.com"], None),
        (b"ana@example.com", None),
    ],
)
def test_normal_address(address: object, normal: str | None) -> None:
    assert normal_address(address) == normal


@given(st.text())
def test_address_is_folded_as_ascii_only(address: str) -> None:
    normal = normal_address(address)
    assert normal is None or (address.isascii() and normal.encode() == address.encode().lower())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("login@shop.iam.gserviceaccount.com", True),
        ("shop@appspot.gserviceaccount.com", True),
        ("123-compute@developer.gserviceaccount.com", True),
        ("x@gserviceaccount.com", True),
        ("x@evilgserviceaccount.com", False),
        ("x@gserviceaccount.com.evil.example", False),
        ("gserviceaccount.com@evil.example", False),
        ("x.gserviceaccount.com@evil.example", False),
    ],
)
def test_service_account(address: str, expected: bool) -> None:
    assert is_service_account(address) is expected


def test_domain_of() -> None:
    assert domain_of("ana@example.com") == "example.com"
