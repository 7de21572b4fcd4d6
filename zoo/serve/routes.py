"""What the page can ask. Identifiers are random; nobody names a path."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from zoo.errors import ZooError
from zoo.page import parts
from zoo.page.blocks import MOST_BYTES, packed
from zoo.serve.guard import UPLOAD
from zoo.serve.networks import Choice
from zoo.serve.store import Job, Store, shown_name
from zoo.serve.worker import Worker
from zoo.view.item import Item, read_item
from zoo.view.sheet import Sheet, sheet_facts

__all__ = ["Desk", "page_policy"]

_T = TypeVar("_T")
_AT_A_TIME = 2  # pictures that are decoded for the page


def page_policy() -> str:
    """The content security policy of the page."""
    return parts.policy(_style(), _script(), connect="'self'")


def _style() -> str:
    return parts.style("base", "viewer", "serve")


def _script() -> str:
    return parts.script("serve")


class Missing(Exception):
    """There is nothing of that identifier, or no longer."""


class Desk:
    """Answers.

    Parameters
    ----------
    store : Store
    choices : dict of str to Choice
    worker : Worker
    """

    def __init__(
        self, store: Store, choices: dict[str, Choice], worker: Worker
    ) -> None:
        self.store = store
        self.choices = choices
        self.worker = worker
        self._few = CapacityLimiter(_AT_A_TIME)

    def app(self) -> Starlette:
        """The application, without its guard."""
        routes: list[tuple[str, str, Any]] = [
            ("GET", "/", self.page),
            ("GET", "/api/session", self.session),
            ("GET", "/api/jobs", self.jobs),
            ("POST", "/api/jobs", self.new_job),
            ("POST", "/api/jobs/{id}/cancel", self.cancel),
            ("GET", "/api/jobs/{id}/file", self.file),
            ("GET", "/api/jobs/{id}/values", self.result_values),
            ("POST", UPLOAD, self.drop),
            ("DELETE", "/api/inputs/{id}", self.remove),
            ("GET", "/api/inputs/{id}/sheet", self.sheet),
            ("GET", "/api/inputs/{id}/values", self.values),
        ]
        return Starlette(
            routes=[
                Route(path, answer, methods=[method]) for method, path, answer in routes
            ],
            exception_handlers={
                ZooError: _complain,
                Missing: _missing,
                ClientDisconnect: _missing,
            },
        )

    # -- the page, and what it shows ------------------------------------------------

    async def page(self, request: Request) -> Response:
        """The page; what it shows it asks for."""
        body = ["<main><header><h1>zoo</h1></header></main>"]
        text = parts.page(
            "zoo", body, styles=_style(), scripts=_script(), how=page_policy()
        )
        return HTMLResponse(text)

    async def session(self, request: Request) -> Response:
        """Everything there is, and what may be asked for."""
        limits = self.store.limits
        return JSONResponse(
            {
                "networks": self._networks(),
                "inputs": [one.as_json() for one in self.store.inputs.values()],
                "jobs": self._jobs(),
                "limits": {"body": limits.body, "files": limits.files},
            }
        )

    async def jobs(self, request: Request) -> Response:
        """How far jobs are, and what times are known by now."""
        return JSONResponse({"jobs": self._jobs(), "networks": self._networks()})

    def _jobs(self) -> list[dict[str, Any]]:
        return [job.as_json() for job in list(self.store.jobs.values())]

    def _networks(self) -> list[dict[str, Any]]:
        return [choice.as_json() for choice in self.choices.values()]

    async def sheet(self, request: Request) -> Response:
        """What the viewer must know of a file and of what was made of it."""
        dropped = self._input(request)
        done = [
            job
            for job in list(self.store.jobs.values())
            if job.kind == "run" and job.state == "done" and dropped.id in job.inputs
        ]

        def read() -> dict[str, Any]:
            urls: dict[Path, str] = {dropped.path: f"/api/inputs/{dropped.id}/values"}
            names: dict[Path, str] = {dropped.path: dropped.name}
            for job in done:
                if job.output is not None:
                    urls[job.output] = f"/api/jobs/{job.id}/values"
                    names[job.output] = job.networks[0]
            items = [_item(path, name) for path, name in names.items()]
            shown = [item for item in items if item.values.nbytes <= MOST_BYTES]
            notes = [
                f"{item.name} is too large to be shown; save it"
                for item in items
                if item.values.nbytes > MOST_BYTES
            ]
            notes += [note for job in done for note in job.notes]
            largest = max(item.size for item in shown)
            roles = [
                item.as_role("before" if item.size < largest else "result")
                for item in shown
            ]
            sheet = Sheet(dropped.name, roles, list(dict.fromkeys(notes)))
            return sheet_facts(sheet, lambda item: {"url": urls[item.path]})

        return JSONResponse(await self._apart(read))

    async def values(self, request: Request) -> Response:
        """The packed values of a file that was dropped."""
        return await self._packed(self._input(request).path)

    async def result_values(self, request: Request) -> Response:
        """The packed values of a result."""
        job = self._job(request)
        if job.output is None or job.kind != "run":
            raise Missing
        return await self._packed(job.output)

    async def _apart(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do what takes time and memory in a thread, a few at a time."""
        return await to_thread.run_sync(work, *arguments, limiter=self._few)

    async def _packed(self, path: Path) -> Response:
        def pack() -> bytes:
            item = read_item(path)
            if item.values.nbytes > MOST_BYTES:
                raise ZooError("it is too large to be shown; save it")
            return packed(item.values, item.values.shape[3])

        data = await self._apart(pack)
        return Response(data, media_type="application/octet-stream")

    # -- files --------------------------------------------------------------------

    async def drop(self, request: Request) -> Response:
        """Take a file: its bytes are the body, its name is a header."""
        size = int(request.headers.get("content-length", "0"))
        name = shown_name(request.headers.get("x-zoo-name", ""))
        path = self.store.new_path()
        try:
            with self.store.room(size):
                with path.open("wb") as file:
                    async for chunk in request.stream():
                        file.write(chunk)
                dropped = await self._apart(self._add, path, name)
        finally:
            path.unlink(missing_ok=True)  # unless it was taken, under another name
        return JSONResponse(dropped, HTTPStatus.CREATED)

    def _add(self, path: Path, name: str) -> dict[str, Any]:
        try:
            return self.store.add(path, name).as_json()
        except ZooError as error:
            raise ZooError(str(error).replace(str(path), name)) from None

    async def remove(self, request: Request) -> Response:
        """Forget a file and what was made of it."""
        if not self.store.remove(request.path_params["id"]):
            raise Missing
        return JSONResponse({})

    async def file(self, request: Request) -> Response:
        """A result, to be saved."""
        job = self._job(request)
        if job.output is None:
            raise Missing
        return FileResponse(
            job.output,
            media_type="application/octet-stream",
            headers={"content-disposition": "attachment"},
        )

    # -- jobs ---------------------------------------------------------------------

    async def new_job(self, request: Request) -> Response:
        """Run networks on a file, or measure them on several."""
        try:
            asked = json.loads(await request.body())
            kind, inputs, networks = (asked[k] for k in ("kind", "inputs", "networks"))
            texts = [*inputs, *networks]
            if kind not in ("run", "evaluation") or not inputs or not networks:
                raise ValueError
            if not all(isinstance(text, str) for text in texts):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ZooError("the request is no job") from None
        if not self.store.inputs.keys() >= set(inputs):
            raise Missing
        if not self.choices.keys() >= set(networks):
            raise ZooError("there is no such network")
        inputs, networks = list(dict.fromkeys(inputs)), list(dict.fromkeys(networks))
        if kind == "evaluation":
            pairs = [(inputs, networks)]
        else:
            pairs = [([one], [network]) for one in inputs for network in networks]
        made = []
        for pair in pairs:
            job = self.store.same_job(kind, *pair)
            if job is None:
                job = self.store.new_job(kind, *pair)
                self.worker.put(job)
            made.append(job)
        return JSONResponse(
            {"jobs": [job.as_json() for job in made]}, HTTPStatus.CREATED
        )

    async def cancel(self, request: Request) -> Response:
        """End a job, or let it never begin."""
        job = self._job(request)
        job.stop.set()
        if job.state == "waiting":
            job.state = "cancelled"
        return JSONResponse(job.as_json())

    def _input(self, request: Request) -> Any:
        found = self.store.inputs.get(request.path_params["id"])
        if found is None:
            raise Missing
        return found

    def _job(self, request: Request) -> Job:
        found = self.store.jobs.get(request.path_params["id"])
        if found is None:
            raise Missing
        return found


def _item(path: Path, name: str) -> Item:
    return read_item(path).named(name)


async def _complain(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)


async def _missing(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is no such thing"}, HTTPStatus.NOT_FOUND)
