from __future__ import annotations

from fastapi.testclient import TestClient


def test_no_page_loads_scripts_from_elsewhere(client: TestClient) -> None:
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_the_routes_are_described(client: TestClient) -> None:
    assert "/v1/about" in client.get("/openapi.json").json()["paths"]
