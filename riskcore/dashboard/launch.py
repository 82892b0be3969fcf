"""Start the dashboard: streamlit's server with a health check and a cookie that names the browser."""

from __future__ import annotations

import secrets
import sys
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


class WorkspaceCookie:
    """Gives a browser that has none a secret of its own: whoever holds it sees the runs made with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and set the cookie on the answer where it is missing."""
        if scope["type"] != "http" or _has_cookie(scope):
            await self.app(scope, receive, send)
            return
        cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Strict"

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


def make_app() -> Any:
    """The application: main script, ``/healthz`` and the cookie."""
    return st.App(
        str(app_root() / "app.py"), routes=[Route("/healthz", health)], middleware=[Middleware(WorkspaceCookie)]
    )


def launch(*, port: int, address: str = "127.0.0.1", browser: bool = True) -> None:
    """Serve the dashboard until stopped."""
    sys.argv = [str(app_root() / "app.py")]  # streamlit reads .streamlit/config.toml beside this
    make_app().run(config={"server.port": port, "server.address": address, "server.headless": not browser})
