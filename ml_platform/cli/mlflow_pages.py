"""MLflow's server as `ml-platform ui` starts it: its pages open on trained models, and nothing is advertised.

MLflow keeps what a page shows first in the browser, and begins with its pages for language models, a panel of an
assistant and a notice of telemetry (which is off). The defaults here are set before its own script runs, where the
person has not chosen otherwise. It is an application of MLflow's (``mlflow server --app-name``), named in
``pyproject.toml``.
"""

import json
from importlib import import_module
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Pages", "opening"]

_PREFERENCES = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    "mlflow.assistant.panelOpen_v1": False,
    "mlflow.telemetry.info.alert.dismissed_v1": True,
    "mlflow.settings.telemetry.enabled_v1": False,
}
_HEAD = b"<head>"
_UNWANTED = {b"content-length", b"etag", b"last-modified", b"cache-control"}


def opening(page: bytes) -> bytes:
    """The first page, with preferences for whoever has none; another page is left as it is."""
    script = "".join(
        f"if(localStorage.getItem({json.dumps(key)})===null)"
        f"localStorage.setItem({json.dumps(key)},{json.dumps(json.dumps(value))});"
        for key, value in _PREFERENCES.items()
    )
    style = "[data-assistant-ui]{display:none!important}"
    return page.replace(_HEAD, _HEAD + f"<script>{script}</script><style>{style}</style>".encode(), 1)


class Pages:
    """An ASGI application that changes the first page of another one, and nothing else."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._inner(scope, receive, send)
            return
        # Neither compressed nor by halves: the whole page is wanted here.
        unasked = {b"accept-encoding", b"if-none-match", b"if-modified-since", b"range"}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in unasked]
        start: list[Message] = []
        body = bytearray()

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                page = opening(bytes(body))
                kept = [(n, v) for n, v in start[0].get("headers", []) if n.lower() not in _UNWANTED]
                kept += [(b"content-length", str(len(page)).encode()), (b"cache-control", b"no-cache")]
                await send({**start[0], "headers": kept})
                await send({"type": "http.response.body", "body": page})

        await self._inner({**scope, "headers": headers}, receive, gather)


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module's attribute)
    """``app``, made when the server asks for it: it imports the whole of MLflow's server."""
    if name != "app":
        raise AttributeError(name)
    return Pages(import_module("mlflow.server.fastapi_app").app)
