"""The server's own parts: the browser's cookie, the health check, settings found from any folder."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

import riskcore
from riskcore.dashboard import launch as room
from riskcore.dashboard.launch import WorkspaceCookie
from riskcore.dashboard.workspace import COOKIE, app_root

Headers = list[tuple[bytes, bytes]]


def answer(request: Headers, response: Headers, *, status: int = 200, kind: str = "http") -> tuple[Headers, Headers]:
    """Headers of the answer, and of the request as the application saw it."""
    seen: Headers = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": status, "headers": response})
        await send({"type": "http.response.body", "body": b"x"})

    async def receive() -> Any:
        raise AssertionError("nothing to receive")

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(WorkspaceCookie(app)({"type": kind, "headers": request}, receive, send))
    return sent[0]["headers"], seen


PAGE: Headers = [(b"content-type", b"text/html; charset=utf-8"), (b"etag", b"1")]


def cookie_of(headers: Headers) -> Any:
    (text,) = [value.decode() for name, value in headers if name == b"set-cookie"]
    return SimpleCookie(text)[COOKIE]


def test_first_page_sets_a_secret() -> None:
    headers, _ = answer([], PAGE)
    cookie = cookie_of(headers)
    assert len(cookie.value) >= 43  # 256 bits
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"]) == ("Lax", "/")
    assert cookie_of(answer([], PAGE)[0]).value != cookie.value
    assert [h for h in headers if h[0] != b"set-cookie"] == PAGE


@pytest.mark.parametrize("sent", [f"{COOKIE}=abc", f"a=1; {COOKIE}=abc; b=2"])
def test_a_browser_keeps_its_secret(sent: str) -> None:
    request = [(b"cookie", sent.encode()), (b"if-none-match", b"1")]
    headers, seen = answer(request, PAGE)
    assert headers == PAGE
    assert seen == request


@pytest.mark.parametrize("sent", ["other=1", "", "{bad", f"x{COOKIE}=1"])
def test_other_cookies_are_none(sent: str) -> None:
    assert cookie_of(answer([(b"cookie", sent.encode())], PAGE)[0]).value


@pytest.mark.parametrize("kind", [b"application/json", b"text/javascript"])
def test_only_pages_set_it(kind: bytes) -> None:
    response = [(b"content-type", kind)]
    assert answer([], response)[0] == response


def test_page_held_by_the_browser_is_sent_again() -> None:
    _, seen = answer([(b"if-none-match", b"1"), (b"if-modified-since", b"x"), (b"accept", b"*/*")], PAGE)
    assert seen == [(b"accept", b"*/*")]


def test_websockets_pass_through() -> None:
    assert answer([], PAGE, kind="websocket")[0] == PAGE


def test_launch_hands_on_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class App:
        def run(self, *, config: dict[str, Any]) -> None:
            given.update(config, argv=list(sys.argv))

    monkeypatch.setattr(room, "make_app", App)
    monkeypatch.setattr(sys, "argv", ["riskcore", "dashboard"])
    room.launch(port=1234, address="127.0.0.1", browser=False)
    assert given["server.port"] == 1234
    assert given["server.address"] == "127.0.0.1"
    assert given["server.headless"] is True
    assert given["argv"] == [str(app_root() / "app.py")]


on_server = pytest.mark.xdist_group("server")


@on_server
def test_health_is_told_without_a_cookie(server: Any) -> None:
    with urllib.request.urlopen(f"{server.url}/healthz") as found:
        assert json.load(found) == {"status": "ok", "version": riskcore.__version__}
        assert found.headers.get("set-cookie") is None


@on_server
@pytest.mark.parametrize("page", ["", "modelling"])
def test_pages_set_the_cookie_and_keep_it(server: Any, page: str) -> None:
    with urllib.request.urlopen(f"{server.url}/{page}") as found:
        cookie = SimpleCookie(found.headers["set-cookie"])[COOKIE]
        held = found.headers["etag"]
    again = {"Cookie": f"{COOKIE}={cookie.value}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/{page}", headers=again)) as found:
        assert found.headers.get("set-cookie") is None
    lost = urllib.request.Request(f"{server.url}/{page}", headers={"If-None-Match": held})
    with urllib.request.urlopen(lost) as found:  # the browser holds the page but lost the cookie
        assert found.status == 200
        assert found.headers["set-cookie"]


@on_server
def test_settings_are_found_from_any_folder(server: Any) -> None:
    assert server.options == {
        "server.address": "127.0.0.1",
        "server.maxUploadSize": 50,
        "server.enableXsrfProtection": True,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        "browser.gatherUsageStats": False,
        "theme.dark.primaryColor": "#2b7ab6",
    }


def test_parts_are_where_the_package_looks() -> None:
    for part in ("app.py", "pages/overview.py", ".streamlit/config.toml", "sample_data/indices.csv"):
        assert (app_root() / part).is_file()


def test_dashboard_is_not_needed_for_the_engine(tmp_path: Path) -> None:
    code = "import sys; sys.modules['streamlit'] = None; import riskcore.cli, riskcore.report"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_streamlit_run_serves_the_same_script(tmp_path: Path, free_port: Any) -> None:
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(app_root() / "app.py")]
    options = [f"--server.port={port}", "--server.headless=true"]
    process = subprocess.Popen([*command, *options], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.decode())
            if "URL" in lines[-1]:
                break
        assert f"http://127.0.0.1:{port}" in lines[-1], "".join(lines)
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()
