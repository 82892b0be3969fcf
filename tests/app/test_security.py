"""What the server refuses, and what it never tells a browser."""

from __future__ import annotations

import http.client
import logging
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from riskcore.dashboard import sources, widgets
from riskcore.dashboard.workspace import app_root
from riskcore.errors import DataError

on_server = pytest.mark.xdist_group("server")
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def status(server: Any, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


@on_server
def test_upload_without_its_token_is_refused(server: Any) -> None:
    assert status(server, "PUT", "/_stcore/upload_file/session/file", body=b"x") == 403
    forged = {"Cookie": "_streamlit_xsrf=2|aa|bb|1", "X-Xsrftoken": "2|cc|dd|1"}
    assert status(server, "PUT", "/_stcore/upload_file/session/file", forged, b"x") == 403


@on_server
def test_websocket_of_another_site_is_refused(server: Any) -> None:
    assert status(server, "GET", "/_stcore/stream", {**HANDSHAKE, "Origin": "http://evil.example"}) == 403
    assert status(server, "GET", "/_stcore/stream", {**HANDSHAKE, "Origin": server.url}) == 101


@on_server
def test_server_listens_on_this_machine_only(server: Any) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    others = {address for address in others if not str(address).startswith("127.")}
    for address in others:
        with socket.socket() as client:
            client.settimeout(5)
            assert client.connect_ex((address, server.port)) != 0
    assert server.options["server.address"] == "127.0.0.1"


@on_server
@pytest.mark.parametrize("path", ["/app.py", "/pages/data.py", "/.streamlit/config.toml", "/../.streamlit/config.toml"])
def test_no_file_of_the_project_is_served(server: Any, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    assert "import" not in text.partition("<head>")[0]
    assert "gatherUsageStats =" not in text
    assert "page_guard" not in text


def test_unexpected_error_is_shown_by_number_only(
    open_page: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise KeyError("/secret/path of another")

    monkeypatch.setattr(widgets, "dataset_or_stop", fail)
    with caplog.at_level(logging.ERROR, "riskcore.dashboard.shell"):
        app = open_page("overview", source=sources.sample())
    (box,) = app.error
    found = re.search(r"error ([0-9a-f]{8})", box.value)
    assert found is not None
    assert f"error {found[1]} on page Overview" in caplog.text
    assert "/secret/path" in caplog.text  # with its traceback
    shown = " ".join(
        str(element.value) for kind in ("error", "text", "markdown", "caption") for element in app.get(kind)
    )
    assert "secret" not in shown
    assert "Traceback" not in shown


def test_expected_error_is_plain_text(open_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DataError("file must be <b>good</b>, got **bad**\nremedy: :red[write] it again")

    monkeypatch.setattr(widgets, "dataset_or_stop", fail)
    app = open_page("overview", source=sources.sample())
    (box,) = app.error
    assert "good" not in box.value
    texts = [text.value for text in app.text]
    assert any("<b>good</b>" in text for text in texts)
    assert any(":red[write]" in text for text in texts)


def test_settings_keep_tracebacks_and_statistics_at_home() -> None:
    import tomllib

    settings = tomllib.loads((app_root() / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["client"]["showErrorDetails"] == "none"
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["server"]["maxUploadSize"] <= 50
    assert settings["browser"]["gatherUsageStats"] is False


def test_pages_never_render_raw_html() -> None:
    files = [app_root() / "app.py", *(app_root() / "pages").glob("*.py")]
    files += list((Path(widgets.__file__).parent).glob("*.py"))
    assert len(files) > 10
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "unsafe_allow_html" not in text, file.name
        assert not re.search(r"\bst\.(html|iframe)\(", text), file.name
