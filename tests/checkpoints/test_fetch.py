"""Fetching, against a server on this machine that does what servers do."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.checkpoints import published as cards
from zoo.checkpoints.fetch import fetch, verify
from zoo.checkpoints.passing import find_network
from zoo.checkpoints.published import Published, fetched, published, read_published
from zoo.cli import main
from zoo.errors import (
    ReaderError,
    UnknownNetworkError,
    UsageError,
    WeightsError,
    ZooError,
)
from zoo.models.identify import families
from zoo.parsers.safetensors import write_safetensors

Answer = Callable[[Any], None]


class Server:
    """Serves paths by functions; counts what it was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Range")))
                answer = outer.answers.get(self.path)
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """A checkpoint of some size."""
    rng = np.random.default_rng(0)
    shapes = {
        "head.0": (32, 3),
        "body.0.body.0": (32, 32),
        "body.0.body.2": (32, 32),
        "body.1": (32, 32),
        "tail.0.0": (128, 32),
        "tail.1": (3, 32),
    }
    state = {}
    for name, (out, into) in shapes.items():
        state[f"{name}.weight"] = rng.normal(0, 0.1, (out, into, 3, 3))
        state[f"{name}.bias"] = rng.normal(0, 0.1, out)
    path = tmp_path / "made.safetensors"
    write_safetensors(path, {n: v.astype(np.float32) for n, v in state.items()})
    return path.read_bytes()


def card_of(server: Server, data: bytes, *paths: str, **changes: Any) -> Published:
    card = Published(
        name="a-net",
        about="a network",
        file="net.safetensors",
        family="edsr",
        scale=2,
        license="MIT",
        page="http://example.org",
        urls=tuple(server.url + path for path in paths or ("/net",)),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )
    return replace(card, **changes)


def serve(
    data: bytes,
    *,
    limit: int | None = None,
    length: int | None = None,
    ranges: bool = True,
    shift: int = 0,
) -> Answer:
    """An honest server, unless told otherwise."""

    def answer(handler: Any) -> None:
        start = 0
        asked = handler.headers.get("Range")
        if asked and ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                handler.send_error(416)
                return
            handler.send_response(206)
            begin = start + shift
            handler.send_header(
                "Content-Range", f"bytes {begin}-{len(data)}/{len(data)}"
            )
        else:
            handler.send_response(200)
        rest = data[start:]
        told = len(rest) if length is None else length
        if told >= 0:
            handler.send_header("Content-Length", str(told))
        handler.end_headers()
        handler.wfile.write(rest if limit is None else rest[:limit])

    return answer


def test_a_file_is_fetched_once(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(data)
    card = card_of(server, data)
    assert fetched(card) is None
    told: list[tuple[int, int]] = []
    path = fetch(card, progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == data
    assert told[-1] == (len(data), len(data))
    assert fetched(card) == path == fetch(card) == verify(card)
    assert len(server.asked) == 1
    fetch(card, force=True)
    assert len(server.asked) == 2
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(WeightsError, match="not the file any more"):
        verify(card)


def test_what_breaks_off_is_resumed(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(data, limit=60_000)
    card = card_of(server, data)
    assert fetch(card).read_bytes() == data
    ranges = [asked for _, asked in server.asked]
    assert ranges[0] is None
    assert ranges[1] == "bytes=60000-"
    assert len(ranges) == -(-len(data) // 60_000)


def test_a_later_call_goes_on_where_it_was(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(data, limit=1000)
    card = card_of(server, data)
    with pytest.raises(ZooError, match="breaks off"):
        fetch(card)
    server.answers["/net"] = serve(data)
    assert fetch(card).read_bytes() == data
    assert server.asked[-1][1] == "bytes=20000-"


def test_servers_without_ranges_start_again(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(data, limit=1000)
    card = card_of(server, data)
    with pytest.raises(ZooError):
        fetch(card)
    server.answers["/net"] = serve(data, ranges=False)
    assert fetch(card).read_bytes() == data


def test_a_part_of_another_file_is_not_built_upon(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(b"\1" * len(data), limit=1000)
    card = card_of(server, data)
    with pytest.raises(ZooError):
        fetch(card)
    server.answers["/net"] = serve(data)
    assert fetch(card).read_bytes() == data
    assert server.asked[-1][1] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"length": 10}, "offers 10 bytes"),
        ({"length": 1 << 40}, "offers"),
        ({"length": 1 << 70}, "offers"),
    ],
)
def test_lies_about_sizes(
    server: Server, data: bytes, change: dict[str, Any], reason: str, cache: Path
) -> None:
    server.answers["/net"] = serve(data, **change)
    with pytest.raises(ZooError, match=reason):
        fetch(card_of(server, data))
    assert not list(cache.rglob("net.safetensors"))


def test_sizes_that_nobody_knows(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(data, length=-1)
    assert fetch(card_of(server, data, size=0)).read_bytes() == data
    server.answers["/net"] = serve(data + b"more", length=-1)
    with pytest.raises(ZooError, match="gives more than"):
        fetch(card_of(server, data), force=True)
    server.answers["/net"] = serve(data, length=len(data) + 9)
    with pytest.raises(ZooError, match="the rest of the file"):
        fetch(card_of(server, data, size=0), force=True)


def test_another_part_than_asked_for(server: Server, data: bytes) -> None:
    server.answers["/net"] = serve(data, limit=1000, shift=5)
    with pytest.raises(ZooError, match="gives another part"):
        fetch(card_of(server, data))


def test_other_bytes(server: Server, data: bytes, cache: Path) -> None:
    other = bytearray(data)
    other[-1] ^= 1
    server.answers["/net"] = serve(bytes(other))
    with pytest.raises(ZooError, match="another file: its SHA-256 begins"):
        fetch(card_of(server, data))
    known = hashlib.sha256(data).hexdigest()
    with pytest.raises(ZooError, match="another file"):
        fetch(card_of(server, data, sha256="", sha256_begins=known[:8]))
    assert not [path for path in cache.rglob("*") if path.is_file()]
    server.answers["/net"] = serve(data)
    fetch(card_of(server, data, sha256="", sha256_begins=known[:8]))


def test_without_a_hash_it_must_be_a_checkpoint_of_the_family(
    server: Server, data: bytes
) -> None:
    page = b"<!DOCTYPE html><html><body>Sign in to download</body></html>"
    server.answers["/net"] = serve(page)
    with pytest.raises(ZooError, match="is no checkpoint"):
        fetch(card_of(server, data, sha256="", size=0))
    server.answers["/net"] = serve(data)
    with pytest.raises(ZooError, match="a network of edsr, not of imdn"):
        fetch(card_of(server, data, sha256="", family="imdn"))
    assert fetch(card_of(server, data, sha256="")).read_bytes() == data


def test_the_next_place_is_tried(server: Server, data: bytes) -> None:
    server.answers["/good"] = serve(data)
    server.answers["/page"] = serve(b"<html>moved</html>")
    card = card_of(server, data, "/absent", "/page", "/good")
    assert fetch(card).read_bytes() == data
    nowhere = card_of(server, data, "/absent", "/page")
    with pytest.raises(ZooError, match=r"404.*offers 18 bytes.*--from FILE"):
        fetch(nowhere, force=True)


def test_nobody_answers(data: bytes, server: Server) -> None:
    card = replace(card_of(server, data), urls=("http://127.0.0.1:9/net",))
    with pytest.raises(ZooError, match="breaks off"):
        fetch(card, seconds=2)


def test_silence_ends(server: Server, data: bytes) -> None:
    done = threading.Event()
    server.answers["/net"] = lambda handler: (done.wait(20), None)[1]
    with pytest.raises(ZooError, match="breaks off"):
        fetch(card_of(server, data), seconds=0.3)
    done.set()


def redirect(target: str) -> Answer:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return answer


def test_redirects(server: Server, data: bytes, tmp_path: Path) -> None:
    server.answers["/net"] = redirect("/there")
    server.answers["/there"] = serve(data)
    assert fetch(card_of(server, data)).read_bytes() == data
    (tmp_path / "secret").write_bytes(data)
    for target in ((tmp_path / "secret").as_uri(), "ftp://127.0.0.1/x", "data:,x"):
        server.answers["/net"] = redirect(target)
        with pytest.raises(ZooError, match=r"leads to|302|breaks off"):
            fetch(card_of(server, data), force=True)
    server.answers["/net"] = redirect("/net")
    with pytest.raises(ZooError, match="302"):
        fetch(card_of(server, data), force=True)


def test_a_copy_of_ones_own(server: Server, data: bytes, tmp_path: Path) -> None:
    card = card_of(server, data)
    (tmp_path / "mine").write_bytes(data)
    (tmp_path / "other").write_bytes(data + b"x")
    with pytest.raises(WeightsError, match="bytes, and the file"):
        fetch(card, source=tmp_path / "other")
    with pytest.raises(ZooError, match="cannot be copied"):
        fetch(card, source=tmp_path / "absent")
    assert fetched(card) is None
    assert fetch(card, source=tmp_path / "mine").read_bytes() == data
    assert not server.asked


def test_offline(
    server: Server, data: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.answers["/net"] = serve(data)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    card = card_of(server, data)
    with pytest.raises(ZooError, match=r"ZOO_OFFLINE.*--from FILE"):
        fetch(card)
    assert not server.asked
    (tmp_path / "mine").write_bytes(data)
    fetch(card, source=tmp_path / "mine")
    assert fetch(card).read_bytes() == data


def test_the_command(
    server: Server,
    data: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    server.answers["/net"] = serve(data)
    card = card_of(server, data)
    known = {**published(), card.name: card}
    monkeypatch.setattr(cards, "published", lambda: known)
    monkeypatch.setattr("zoo.checkpoints.passing.published", lambda: known)
    with pytest.raises(UnknownNetworkError, match="zoo fetch a-net"):
        find_network("a-net")
    assert main(["fetch", "a-net", "-o", "copy.safetensors"]) == 0
    assert f"{len(data):,} bytes, MIT, sha256 {card.sha256}" in capsys.readouterr().out
    assert (tmp_path / "copy.safetensors").read_bytes() == data
    assert main(["fetch", "a-net", "-o", "copy.safetensors"]) == 2
    assert main(["fetch", "--verify", "a-net", "--json"]) == 0
    with pytest.warns(UserWarning, match="converted in passing: edsr"):
        cfg = find_network("a-net")
    from zoo.parsers.safetensors import read_metadata

    assert read_metadata(cfg.with_suffix(".safetensors"))["license"] == "MIT"
    capsys.readouterr()
    assert main(["fetch", "--list"]) == 0
    assert "realesrgan-x4plus" in capsys.readouterr().out
    assert main(["fetch", "realesrgan-x4pls"]) == 2
    assert "did you mean 'realesrgan-x4plus'" in capsys.readouterr().err
    assert main(["fetch", "--verify", "carn"]) == 2


def test_the_cards_that_ship() -> None:
    known = published()
    assert len(known) >= 30
    names = set(families())
    for card in known.values():
        assert card.family in names, card.name
        assert all(url.startswith("https://") for url in card.urls)
        assert card.name == card.name.lower()
    folders = {card.name for card in known.values() if not card.sha256}
    assert len(folders) < len(known)  # some were seen


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "a: 5",
        "a: {}",
        "a: {about: x, file: f, family: e, scale: x, license: m, page: p, urls: [u]}",
        "a: {about: x, file: f, family: e, scale: 2, license: m, page: p, urls: []}",
        (
            "a: {about: x, file: f, family: e, scale: 2, license: m, page: p, "
            "urls: ['file:///etc/passwd']}"
        ),
        (
            "a: {about: x, file: ../f, family: e, scale: 2, license: m, page: p, "
            "urls: ['https://a/b']}"
        ),
        (
            "a: {about: x, file: f, family: e, scale: 2, license: m, page: p, "
            "urls: ['https://a/b'], sha256: '12'}"
        ),
    ],
)
def test_wrong_cards_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cards.yaml"
    path.write_text(text)
    with pytest.raises(ReaderError):
        read_published(path)


def test_what_is_not_there_cannot_be_checked(server: Server, data: bytes) -> None:
    with pytest.raises(UsageError, match="not in the cache"):
        verify(card_of(server, data))
