"""What a shell proposes for arguments: networks, back ends, metrics, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

__all__ = ["backends", "metrics", "networks", "networks_and_bicubic", "protocols"]


def _starting(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def networks(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Networks that are installed; files where none has such a name."""
    return _networks(incomplete, [])


def networks_and_bicubic(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same, and the word bicubic, for `zoo eval`."""
    return _networks(incomplete, ["bicubic"])


def _networks(incomplete: str, more: list[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from zoo.catalog import networks

    names = [entry.name for entry in networks()] + more
    # A shell completes files itself where it is given a file, and nothing else then.
    found = [CompletionItem(name) for name in _starting(names, incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def backends(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Back ends that are installed."""
    return _of("zoo.kernels", incomplete)


def metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Metrics that are installed."""
    return _of("zoo.metrics", incomplete)


def protocols(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Protocols of evaluation."""
    from zoo.evaluate.presets import PROTOCOLS

    return _starting(list(PROTOCOLS), incomplete)


def _of(group: str, incomplete: str) -> list[str]:
    from zoo.registry import registry

    return _starting(registry(group).canonical(), incomplete)
