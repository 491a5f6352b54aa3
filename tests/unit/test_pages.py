"""Pages: figures of four digits, and MLflow's pages on trained models."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.cli.mlflow_pages import Pages, opening
from ml_platform.orchestration.assets.figures import figure, figure_text

PAGE = b"<!doctype html><html><head><title>MLflow</title></head><body></body></html>"


@given(st.floats(min_value=-1e300, max_value=1e300))
def test_a_figure_keeps_four_digits(value: float) -> None:
    assert figure(value) == pytest.approx(value, rel=6e-4, abs=5e-324)
    assert len(figure_text(value).lstrip("-").partition("e")[0].replace(".", "").lstrip("0")) <= 4


def answer(page: bytes, path: str = "/", kind: bytes = b"text/html") -> tuple[dict[bytes, bytes], bytes]:
    """The answer to a browser of an application that sends a page in two parts."""
    sent: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        assert b"accept-encoding" not in dict(scope["headers"]) or path != "/"
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", kind),
                    (b"content-length", str(len(page)).encode()),
                    (b"etag", b"x"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": page[:20], "more_body": True})
        await send({"type": "http.response.body", "body": page[20:]})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "GET", "headers": [(b"accept-encoding", b"gzip")]}
    asyncio.run(Pages(inner)(scope, None, send))  # type: ignore[arg-type]
    return dict(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:])


def test_the_first_page_opens_on_trained_models_unless_the_person_chose_otherwise() -> None:
    headers, page = answer(PAGE)
    assert b"mlflow.workflowType_v1" in page
    assert b"if(localStorage.getItem(" in page
    assert page.endswith(b"<title>MLflow</title></head><body></body></html>")
    assert int(headers[b"content-length"]) == len(page)
    assert b"etag" not in headers


def test_nothing_else_is_changed() -> None:
    assert answer(PAGE, "/static-files/main.js")[1] == PAGE
    assert opening(b"no page") == b"no page"
