"""Start the dashboard: streamlit's server with a health check and a cookie that names the browser."""

from __future__ import annotations

import importlib
import pkgutil
import secrets
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from riskcore import __version__
from riskcore.dashboard.workspace import COOKIE, app_root

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_YEAR = 365 * 24 * 3600
_CONDITIONS = (b"if-none-match", b"if-modified-since")


class WorkspaceCookie:
    """Gives a browser that has none a secret of its own: whoever holds it sees the runs made with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and set the cookie on the answer where it is missing."""
        if scope["type"] != "http" or _has_cookie(scope):
            await self.app(scope, receive, send)
            return
        # Lax: under Strict a link on another site would come without the cookie, and the new one would replace it
        cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"
        # a page that the browser still holds is to be sent again: "not modified" says nothing of what it is
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] not in _CONDITIONS]}

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _has_cookie(scope: Scope) -> bool:
    texts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    return any(COOKIE in SimpleCookie(text) for text in texts)


def _is_page(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"])


async def health(request: Request) -> JSONResponse:
    """The server answers."""
    return JSONResponse({"status": "ok", "version": __version__})


def import_rooms() -> None:
    """Import what the pages need, so that the first visitor does not wait for it."""
    package = importlib.import_module("riskcore.dashboard")
    for room in pkgutil.iter_modules(package.__path__):
        if room.name not in ("launch", "worker"):
            importlib.import_module(f"riskcore.dashboard.{room.name}")


@asynccontextmanager
async def early(app: Any) -> AsyncIterator[None]:
    """While the server starts, import the rooms beside it."""
    threading.Thread(target=import_rooms, name="riskcore-imports", daemon=True).start()
    yield


def make_app() -> Any:
    """The application: main script, ``/healthz`` and the cookie."""
    return st.App(
        str(app_root() / "app.py"),
        lifespan=early,
        routes=[Route("/healthz", health)],
        middleware=[Middleware(WorkspaceCookie)],
    )


def launch(*, port: int, address: str = "127.0.0.1", browser: bool = True) -> None:
    """Serve the dashboard until stopped."""
    sys.argv = [str(app_root() / "app.py")]  # streamlit reads .streamlit/config.toml beside this
    make_app().run(config={"server.port": port, "server.address": address, "server.headless": not browser})
