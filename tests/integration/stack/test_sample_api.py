"""The API behind the gateway answers with what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tollkeeper.stack.sample_api import application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web


@pytest.fixture
async def api() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(application())) as client:
        yield client


async def test_it_shows_method_path_and_headers(
    api: TestClient[web.Request, web.Application],
) -> None:
    response = await api.post("/a/b?c=d", headers={"X-Tollkeeper-Plan": "free"})
    seen = await response.json()
    assert (response.status, seen["method"], seen["path"]) == (200, "POST", "/a/b?c=d")
    assert seen["headers"]["x-tollkeeper-plan"] == "free"


@pytest.mark.parametrize(("path", "status"), [(404, 404), (503, 503), (200, 200), (199, 400)])
async def test_it_answers_the_status_asked_for(
    api: TestClient[web.Request, web.Application], path: int, status: int
) -> None:
    response = await api.get(f"/status/{path}")
    assert response.status == status
