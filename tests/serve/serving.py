"""A service that runs in this process, and requests to it byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

__all__ = ["Client", "Reply", "running"]


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def running(**options: Any) -> Iterator[Any]:
    """A service in a thread; at the end nothing of it is left."""
    pytest.importorskip("starlette", reason="needs starlette; pip install starlette")
    pytest.importorskip("uvicorn", reason="needs uvicorn; pip install uvicorn")
    from zoo.serve.server import Service

    service = Service(**options)
    ready = threading.Event()
    thread = threading.Thread(target=service.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(30)
        yield service
    finally:
        service.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert not service.store.folder.exists()


class Client:
    """Sends requests with exactly the headers that it is told to."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.port = service.port
        self.host = f"127.0.0.1:{service.port}"

    def headers(self, **changes: str | list[str] | None) -> list[tuple[str, str]]:
        """Those of our page, with changes; None leaves one out."""
        usual: dict[str, Any] = {
            "Host": self.host,
            "Origin": f"http://{self.host}",
            "Sec-Fetch-Site": "same-origin",
            "X-Zoo-Token": self.service.token,
        }
        for name, value in changes.items():
            usual[name.replace("_", "-")] = value
        return [
            (name, text)
            for name, value in usual.items()
            if value is not None
            for text in (value if isinstance(value, list) else [value])
        ]

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        wait: float = 30,
        **changes: str | list[str] | None,
    ) -> Reply:
        """One request on a connection of its own."""
        if method not in ("GET", "HEAD") or body:
            changes.setdefault("Content_Length", str(len(body)))
        head = f"{method} {path} HTTP/1.1\r\nConnection: close\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in self.headers(**changes))
        with socket.create_connection(("127.0.0.1", self.port), wait) as link:
            link.sendall(head.encode("latin-1") + b"\r\n")
            # A refusal may come, and the connection close, before all is sent.
            with contextlib.suppress(ConnectionError):
                link.sendall(body)
            return read(link)

    def json(self, method: str, path: str, value: Any = None, **changes: Any) -> Any:
        body = b"" if value is None else json.dumps(value).encode()
        reply = self.send(method, path, body, **changes)
        assert reply.status in (200, 201), reply.body
        return reply.json

    def drop(self, data: bytes, name: str = "a.png") -> dict[str, Any]:
        return self.json_of(self.send("POST", "/api/inputs", data, X_Zoo_Name=name))

    @staticmethod
    def json_of(reply: Reply) -> Any:
        assert reply.status in (200, 201), reply.body
        return reply.json

    def job(self, identifier: str) -> dict[str, Any]:
        jobs = self.json("GET", "/api/jobs")["jobs"]
        return next(job for job in jobs if job["id"] == identifier)

    def run(self, kind: str, inputs: list[str], networks: list[str]) -> dict[str, Any]:
        """Start a job, and wait until it has ended."""
        asked = {"kind": kind, "inputs": inputs, "networks": networks}
        (job,) = self.json("POST", "/api/jobs", asked)["jobs"]
        return self.ended(job["id"])

    def ended(self, identifier: str, seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.job(identifier)
            if job["state"] not in ("waiting", "running"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{job['state']} after {seconds} s")


def read(link: socket.socket) -> Reply:
    """Everything that comes, which must hold one answer."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := link.recv(1 << 16):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines[1:]]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Reply(int(lines[0].split()[1]), headers, body)
