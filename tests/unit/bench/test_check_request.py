"""The check that figures are about stays the same, or they cannot be compared."""

from __future__ import annotations

from bench.check_request import check_request, grpc_message
from bench.seed import PARTITIONS, credential
from ext_authz.request import read_call
from tollkeeper.credential import parse


def test_it_has_733_bytes_and_15_headers() -> None:
    request = check_request(credential(0).text)
    assert request.ByteSize() == 733
    assert len(request.attributes.request.http.headers) == 15


def test_its_one_credential_is_the_key() -> None:
    key = credential(7).text
    assert read_call(check_request(key).SerializeToString()).credentials == (key.encode(),)


def test_message_announces_its_length() -> None:
    message = grpc_message(check_request(credential(0).text))
    assert message[:5] == b"\0" + (733).to_bytes(4, "big")
    assert len(message) == 5 + 733


def test_keys_are_well_formed_and_all_different() -> None:
    keys = [credential(number) for number in range(10_000)]
    assert len({key.text for key in keys}) == len(keys)
    assert all(parse(key.text) == key for key in keys[::500])
    assert {key.partition for key in keys} == set(range(PARTITIONS))
