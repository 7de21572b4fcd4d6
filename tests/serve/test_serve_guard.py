"""Who is answered: every route with everything that may be wrong with a request."""

from __future__ import annotations

import io
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from serving import Client, read, running

from zoo.images.image import Image
from zoo.images.png import PNG

ROUTES = [
    ("GET", "/"),
    ("GET", "/api/session"),
    ("GET", "/api/jobs"),
    ("POST", "/api/jobs"),
    ("POST", "/api/jobs/{job}/cancel"),
    ("GET", "/api/jobs/{job}/file"),
    ("GET", "/api/jobs/{job}/values"),
    ("POST", "/api/inputs"),
    ("DELETE", "/api/inputs/{input}"),
    ("GET", "/api/inputs/{input}/sheet"),
    ("GET", "/api/inputs/{input}/values"),
]
# Name: what is changed, what is answered, and whether the page itself is too.
FAULTS: dict[str, tuple[dict[str, Any], set[int], bool]] = {
    "another host": ({"Host": "evil.example"}, {421}, True),
    "host without port": ({"Host": "127.0.0.1"}, {421}, True),
    "another port": ({"Host": "127.0.0.1:1"}, {421}, True),
    "a name that begins like ours": (
        {"Host": "localhost.evil.example:{port}"},
        {421},
        True,
    ),
    "upper case": ({"Host": "LOCALHOST:{port}"}, {421}, True),
    "all interfaces": ({"Host": "0.0.0.0:{port}"}, {421}, True),
    "two hosts": ({"Host": ["127.0.0.1:{port}", "evil.example"]}, {400, 421}, True),
    "no host": ({"Host": None}, {400}, True),
    "another origin": ({"Origin": "http://evil.example"}, {403}, True),
    "no page's origin": ({"Origin": "null"}, {403}, True),
    "https": ({"Origin": "https://127.0.0.1:{port}"}, {403}, True),
    "origin of another port": ({"Origin": "http://127.0.0.1:1"}, {403}, True),
    "two origins": (
        {"Origin": ["http://127.0.0.1:{port}", "http://127.0.0.1:{port}"]},
        {403},
        True,
    ),
    "another site": ({"Sec_Fetch_Site": "cross-site"}, {403}, True),
    "another port's site": ({"Sec_Fetch_Site": "same-site"}, {403}, True),
    "an address that was typed": ({"Sec_Fetch_Site": "none"}, {403}, False),
    "no token": ({"X_Zoo_Token": None}, {401}, False),
    "an empty token": ({"X_Zoo_Token": ""}, {401}, False),
    "part of the token": ({"X_Zoo_Token": "{part}"}, {401}, False),
    "another token": ({"X_Zoo_Token": "x" * 43}, {401}, False),
    "no ASCII": ({"X_Zoo_Token": "\xe9"}, {401}, False),
    "the token twice": ({"X_Zoo_Token": ["{token}", "{token}"]}, {401}, False),
    "the token elsewhere": (
        {
            "X_Zoo_Token": None,
            "Cookie": "token={token}",
            "Authorization": "Bearer {token}",
        },
        {401},
        False,
    ),
    "too large": ({"Content_Length": "300000000"}, {413}, True),
    "endless": ({"Content_Length": "9" * 30}, {400}, True),
    "a negative length": ({"Content_Length": "-1"}, {400}, True),
    "pieces": (
        {"Content_Length": None, "Transfer_Encoding": "chunked"},
        {411},
        True,
    ),
}


def png(height: int = 8, width: int = 9) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return PNG().encode(Image(pixels))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as service:
        yield Client(service)


@pytest.fixture(scope="module")
def known(client: Client) -> dict[str, str]:
    """Identifiers of something that was dropped, and of a run on it."""
    dropped = client.drop(png())
    job = client.run("run", [dropped["id"]], ["edsr_r8f32_x2"])
    assert job["state"] == "done", job
    return {"input": dropped["id"], "job": job["id"]}


def state(client: Client) -> tuple[Any, ...]:
    store = client.service.store
    files = sorted(path.name for path in store.folder.iterdir())
    return tuple(store.inputs), tuple(store.jobs), files


def require_headers(headers: dict[str, str]) -> None:
    """What every answer has, a refusal too, and what none has."""
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_on_every_route(
    client: Client, known: dict[str, str], fault: str
) -> None:
    changes, statuses, of_page = FAULTS[fault]
    token = client.service.token
    words = {"port": client.port, "token": token, "part": token[:-1]}

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(item) for item in value]
        return value.format(**words) if isinstance(value, str) else value

    before = state(client)
    for method, path in ROUTES:
        if path == "/" and not of_page:
            continue
        reply = client.send(
            method, path.format(**known), **{k: filled(v) for k, v in changes.items()}
        )
        assert reply.status in statuses, (method, path)
        if reply.status != 400:  # which uvicorn itself answers
            require_headers(reply.headers)
    assert state(client) == before


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_takes_its_methods_alone(
    client: Client, known: dict[str, str], method: str, path: str
) -> None:
    before = state(client)
    taken = {m for m, p in ROUTES if p == path}
    taken |= {"HEAD"} if "GET" in taken else set()
    for other in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        if other in taken:
            continue
        reply = client.send(other, path.format(**known))
        assert reply.status == 405, other
        require_headers(reply.headers)
    assert state(client) == before


def test_ours_is_answered(client: Client, known: dict[str, str]) -> None:
    """Also without what only browsers send, and by the other name of this machine."""
    for method, path in ROUTES:
        if method != "GET":
            continue
        local = f"localhost:{client.port}"
        for changes in (
            {},
            {"Origin": None, "Sec_Fetch_Site": None},
            {"Host": local, "Origin": f"http://{local}"},
        ):
            reply = client.send(method, path.format(**known), **changes)
            assert reply.status == 200, (path, reply.body)
            require_headers(reply.headers)
    page = client.send("GET", "/", X_Zoo_Token=None, Sec_Fetch_Site="none")
    assert page.status == 200
    assert client.service.token.encode() not in page.body


def test_a_body_needs_a_length(client: Client) -> None:
    for path in ("/api/jobs", "/api/inputs"):
        reply = client.send("POST", path, Content_Length=None)
        assert reply.status == 411
    # Not the file alone is bounded: any other body is by far smaller.
    reply = client.send("POST", "/api/jobs", Content_Length="100000")
    assert reply.status == 413


@pytest.mark.parametrize(
    "identifier",
    ["x", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a" * 32, "%F0%9F%90%88"],
)
def test_nothing_but_an_identifier_leads_to_a_file(
    client: Client, identifier: str
) -> None:
    for method, path in ROUTES:
        if "{" not in path:
            continue
        asked = path.replace("{job}", identifier).replace("{input}", identifier)
        assert client.send(method, asked).status in (404, 405)


def test_paths_that_are_none(client: Client) -> None:
    for path in (
        "/api",
        "/api/",
        "/static/x.js",
        "/favicon.ico",
        "//",
        "/../etc/passwd",
    ):
        reply = client.send("GET", path)
        assert reply.status == 404
        assert client.send("GET", path, X_Zoo_Token=None).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"[" * 60_000,
        b'{"kind": "run", "inputs": [], "networks": []}',
        b'{"kind": "other", "inputs": ["x"], "networks": ["edsr_x2"]}',
        b'{"kind": "run", "inputs": [["x"]], "networks": ["edsr_x2"]}',
        b'{"kind": "run", "inputs": "x", "networks": 3}',
        b'{"kind": "run", "inputs": ["{input}"], "networks": ["/etc/passwd"]}',
        b'{"kind": "run", "inputs": ["x"], "networks": ["edsr_x2"]}',
        b"\xff\xfe",
    ],
)
def test_no_job_is_made_of_nonsense(
    client: Client, known: dict[str, str], body: bytes
) -> None:
    before = state(client)
    body = body.replace(b"{input}", known["input"].encode())
    reply = client.send("POST", "/api/jobs", body)
    assert reply.status in (404, 422)
    assert reply.json["error"]
    assert state(client) == before


# -- files of strangers -----------------------------------------------------------


def gray_png(width: int, height: int, size: int = 1000) -> bytes:
    """A black picture of any size, or the head of one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(size))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html>no picture</html>", "of no format"),
        (gray_png(6000, 6000, 6001 * 6000), "at most"),
        (gray_png(50_000, 50_000), "more than its"),
        (gray_png(20, 20)[:60], "x.png"),
        (png()[:-30], "x.png"),
        (b"YUV4MPEG2 W8 H8 F25:1 C420\nFRAME\n" + bytes(96), "is a video"),
    ],
    ids=["empty", "text", "large", "huge", "head", "truncated", "video"],
)
def test_what_is_no_picture_is_not_taken(
    client: Client, data: bytes, reason: str
) -> None:
    before = state(client)
    start = time.monotonic()
    reply = client.send("POST", "/api/inputs", data, X_Zoo_Name="x.png")
    assert reply.status == 422
    assert reason in reply.json["error"]
    assert str(client.service.store.folder) not in reply.json["error"]
    assert time.monotonic() - start < 10
    assert state(client) == before


def test_a_volume_is_bounded_by_its_header(client: Client) -> None:
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    head = nibabel.Nifti1Header()
    head.set_data_shape((2000, 2000, 2000))
    head.set_data_dtype(np.uint8)
    head["magic"], head["vox_offset"] = b"n+1", 352
    data = io.BytesIO()
    head.write_to(data)
    body = zlib.compress(data.getvalue() + bytes(4 << 20), wbits=31)
    reply = client.send("POST", "/api/inputs", body, X_Zoo_Name="a.nii.gz")
    assert reply.status == 422
    assert "at most" in reply.json["error"]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C%3A%5CUsers%5Cme%5Ca.png", "a.png"),
        ("%3Cimg%20src%3Dx%3E.png", "<img src=x>.png"),
        ("%E2%80%AEgnp.exe", "\\u202egnp.exe"),
        ("a%00b%0A.png", None),
        ("", "without a name"),
        ("%FF%FE", None),
        ("a" * 5000, "a" * 120),
    ],
)
def test_names_are_text(client: Client, header: str, name: str | None) -> None:
    dropped = client.drop(png(), header)
    assert name is None or dropped["name"] == name
    assert dropped["name"].isprintable()
    path = client.service.store.inputs[dropped["id"]].path
    assert path.parent == client.service.store.folder
    assert path.stem.isalnum()
    assert client.send("DELETE", f"/api/inputs/{dropped['id']}").status == 200
    assert not path.exists()


# -- limits -----------------------------------------------------------------------


def limits(**changes: Any) -> Any:
    from zoo.serve.limits import Limits

    return Limits(**changes)


def test_files_jobs_and_bytes_are_bounded() -> None:
    with running(
        limits=limits(files=2, jobs=1, stored=len(png()) * 3, body=1000)
    ) as it:
        client = Client(it)
        first = client.drop(png())
        client.drop(png())
        third = client.send("POST", "/api/inputs", png())
        assert (third.status, "remove one" in third.json["error"]) == (422, True)
        client.send("DELETE", f"/api/inputs/{first['id']}")
        large = client.send("POST", "/api/inputs", Content_Length="1001")
        assert large.status == 413
        full = client.send("POST", "/api/inputs", Content_Length=str(len(png()) * 3))
        assert "may hold" in full.json["error"]


def test_time_is_bounded() -> None:
    with running(limits=limits(request_seconds=2, head_seconds=2, connections=4)) as it:
        client = Client(it)
        # A body that does not come.
        start = time.monotonic()
        reply = client.send("POST", "/api/inputs", b"abc", Content_Length="1000")
        assert reply.status == 408
        # Connections that ask nothing, or slowly, are closed; meanwhile others wait.
        address = ("127.0.0.1", client.port)
        links = [socket.create_connection(address, 10) for _ in range(4)]
        links[0].sendall(b"GET / HT")
        time.sleep(0.1)
        assert client.send("GET", "/").status == 503
        for link in links:
            assert link.recv(100) == b""
            link.close()
        assert client.send("GET", "/").status == 200
        assert time.monotonic() - start < 25


def test_jobs_are_bounded_in_time_and_size() -> None:
    with running(limits=limits(job_seconds=-1, output_pixels=8 * 9 * 4 + 1)) as it:
        client = Client(it)
        dropped = client.drop(png())
        job = client.run("run", [dropped["id"]], ["edsr_r8f32_x2"])
        assert (job["state"], "limit" in job["error"]) == ("failed", True)
        job = client.run("run", [dropped["id"]], ["edsr_x3"])
        assert (job["state"], "at most" in job["error"]) == ("failed", True)


def test_it_listens_on_loopback_alone(client: Client) -> None:
    assert client.service.socket.getsockname()[0] == "127.0.0.1"


def test_an_answer_ends_where_a_refused_body_begins(client: Client) -> None:
    """What stands in a body that was not read is not taken for a request."""
    hidden = "GET /api/session HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in client.headers()
    )
    head = f"POST /api/inputs HTTP/1.1\r\nHost: {client.host}\r\n"
    head += f"Content-Length: {len(hidden) + 2}\r\n\r\n{hidden}\r\n"
    with socket.create_connection(("127.0.0.1", client.port), 10) as link:
        link.sendall(head.encode())
        reply = read(link)
    assert reply.status == 401
    assert b"HTTP/1.1" not in reply.body
