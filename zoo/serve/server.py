"""The socket on loopback, and the server on it."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any

from zoo.errors import UsageError, ZooError
from zoo.extras import how_to_install
from zoo.serve.limits import Limits

__all__ = ["Service", "require_extra"]

_LOOPBACK = "127.0.0.1"  # nothing else can be asked for
_GRACE = 3  # seconds for requests that are being answered at the end


def require_extra() -> None:
    """Say what is missing, and how to get it.

    Raises
    ------
    UsageError
    """
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"zoo serve needs {' and '.join(missing)}: {how_to_install('page')} "
            f"(`zoo view` needs nothing)"
        )


class Service:
    """A session: its socket, its token, its worker.

    Parameters
    ----------
    named : sequence of str
        Networks beside those that are installed.
    port : int
        0 for any that is free.
    threads : int, optional
    limits : Limits
    """

    def __init__(
        self,
        named: Sequence[str] = (),
        *,
        port: int = 0,
        threads: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        require_extra()
        from zoo.serve.guard import Guard
        from zoo.serve.networks import choices
        from zoo.serve.routes import Desk, page_policy
        from zoo.serve.store import Store
        from zoo.serve.worker import Worker

        self.limits = limits or Limits()
        found = choices(named, threads)
        if not found:
            raise ZooError("no network with weights is installed; name one")
        self.socket = _listen(port)
        self.port = int(self.socket.getsockname()[1])
        self.token = secrets.token_urlsafe(32)
        self.store = Store(self.limits)
        self.worker = Worker(self.store, found)
        self.app = Guard(
            Desk(self.store, found, self.worker).app(),
            port=self.port,
            token=self.token,
            policy=page_policy(),
            limits=self.limits,
        )

    @property
    def address(self) -> str:
        """What the browser opens. No browser sends what stands behind #."""
        return f"http://{_LOOPBACK}:{self.port}/#{self.token}"

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until Ctrl-C or :meth:`stop`."""
        import uvicorn

        config = uvicorn.Config(
            self.app,
            http=_protocol(self.limits.head_seconds),
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            limit_concurrency=self.limits.connections,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = uvicorn.Server(config)
        self.worker.start()
        try:
            ready()
            self._server.run(sockets=[self.socket])
        finally:
            self.close()

    def stop(self) -> None:
        """Let :meth:`run` return, from another thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """End what runs, and delete what the session holds."""
        self.socket.close()
        if self.worker.is_alive():
            self.worker.end()
        self.store.close()


def _listen(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Not the option to share it: on some systems others could take the port over.
        made.bind((_LOOPBACK, port))
        made.listen()  # who comes before the server does waits
    except OSError as error:
        made.close()
        raise UsageError(
            f"port {port} cannot be used: {error.strerror}; leave --port out for any "
            f"that is free"
        ) from None
    return made


def _protocol(seconds: float) -> Any:
    """uvicorn's HTTP, with a time within which a connection must have asked.

    uvicorn limits how long a connection idles between requests, and not how long it
    takes for the first one, or for a head that comes byte by byte.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Timed(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._look()

        def _look(self) -> None:
            self._timer = self.loop.call_later(seconds, self._end_if_idle)

        def _end_if_idle(self) -> None:
            # A cycle is a request that is being, or was, answered.
            if self.transport.is_closing():
                return
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()
            else:
                self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            self._timer.cancel()
            super().connection_lost(exc)

    return Timed
