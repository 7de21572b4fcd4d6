"""Who may ask: this machine's browser, on our own page, with the token.

Any page that a browser shows may send requests to 127.0.0.1, and a name of a stranger's
may be made to mean it (DNS rebinding). So the name that was asked for must be ours, what
says where a request comes from must be our page, and everything but the page itself
needs the token, which only the address in the terminal holds: in its fragment, which no
browser sends. Everything is looked at before a byte of a body is read.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import anyio

from zoo.serve.limits import Limits

__all__ = ["TOKEN_HEADER", "Guard", "Refused", "answer"]

TOKEN_HEADER = b"x-zoo-token"
UPLOAD = "/api/inputs"
"""The one path whose bodies may be large."""

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class Refused(Exception):
    """A request that is not answered."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Guard:
    """Stands before an application.

    Parameters
    ----------
    app : callable
        ASGI.
    port : int
    token : str
    policy : str
        The content security policy of the page.
    limits : Limits
    """

    def __init__(
        self, app: _App, *, port: int, token: str, policy: str, limits: Limits
    ) -> None:
        self._app = app
        names = [f"127.0.0.1:{port}", f"localhost:{port}"]
        self._hosts = {name.encode() for name in names}
        self._origins = {f"http://{name}".encode() for name in names}
        self._token = token.encode()
        self._limits = limits
        self._headers = [
            (b"content-security-policy", f"{policy}; frame-ancestors 'none'".encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        begun = False

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        try:
            self._check(scope)
            with anyio.move_on_after(self._limits.request_seconds) as clock:
                await self._app(scope, receive, send_with_headers)
            if clock.cancelled_caught and not begun:
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, "it took too long")
        except Refused as refused:
            await answer(send_with_headers, refused.status, str(refused))

    def _check(self, scope: _Scope) -> None:
        """Raise Refused unless everything before the body is as it must be."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        if len(host := headers.get(b"host", [])) != 1 or host[0] not in self._hosts:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this is another host")
        origin = headers.get(b"origin", [])
        if len(origin) > 1 or not self._origins.issuperset(origin):
            raise Refused(HTTPStatus.FORBIDDEN, "the request is of another origin")
        is_page = scope["path"] == "/"
        sites = {b"same-origin", b"none"} if is_page else {b"same-origin"}
        if not sites.issuperset(headers.get(b"sec-fetch-site", [])):
            raise Refused(HTTPStatus.FORBIDDEN, "the request is of another site")
        if not is_page:
            token = headers.get(TOKEN_HEADER, [])
            if len(token) != 1 or not secrets.compare_digest(token[0], self._token):
                raise Refused(
                    HTTPStatus.UNAUTHORIZED,
                    "the token is missing or wrong; open the address that zoo serve "
                    "printed",
                )
        self._check_body(scope, headers)

    def _check_body(self, scope: _Scope, headers: dict[bytes, list[bytes]]) -> None:
        lengths = headers.get(b"content-length", [])
        if headers.get(b"transfer-encoding"):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "state the length of the body")
        if scope["method"] in ("POST", "PUT", "PATCH") and not lengths:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "state the length of the body")
        text = lengths[0] if lengths else b"0"
        if len(lengths) > 1 or not text.isdigit() or len(text) > 18:
            raise Refused(HTTPStatus.BAD_REQUEST, "the length of the body is no number")
        is_upload = scope["path"] == UPLOAD and scope["method"] == "POST"
        most = self._limits.body if is_upload else self._limits.text
        if int(text) > most:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"it has {int(text):,} bytes, and at most {most:,} are taken",
            )


async def answer(send: _Send, status: HTTPStatus, reason: str) -> None:
    """Send a refusal as JSON."""
    body = json.dumps({"error": reason}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # a body that was not read must not be parsed
    ]
    await send(
        {"type": "http.response.start", "status": int(status), "headers": headers}
    )
    await send({"type": "http.response.body", "body": body})
