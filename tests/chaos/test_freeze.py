"""A gate that hangs instead of dying."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.support.http import Caller
from tests.support.processes import process_id
from tests.support.tenants import charges_left, new_key, new_tenant, used
from tests.support.until import until

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack


def test_a_frozen_gate_lets_nobody_pass_and_charges_nobody(stack: LocalStack) -> None:
    tenant = new_tenant(stack, "enterprise")
    key = new_key(stack, tenant).secret
    gate = process_id(stack, "ext_authz")
    assert gate is not None
    with Caller(stack.endpoints["gateway"], key) as caller:
        assert caller.get().status == 200
        os.kill(gate, signal.SIGSTOP)
        try:
            refused = [caller.get() for _ in range(3)]
        finally:
            os.kill(gate, signal.SIGCONT)
        # The thawed gate answers the old checks too, and reserves for them; nobody listens.
        until(lambda: caller.get("/status/500").status == 500, 5, "the gate is back")
    assert [answer.status for answer in refused] == [503] * 3
    assert refused[0].headers["content-type"] == "application/problem+json"
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json["reason"] == "unavailable"
    assert refused[0].json["status"] == 503
    until(lambda: charges_left(stack) == 0, 10, "all charges carried")
    assert used(stack, tenant) == 1
