"""Which codecs of Zarr are read: by name, from a short list.

Among those that a library knows is pickle, which runs what a file says.
"""

from __future__ import annotations

import math
from typing import Any

from zoo.errors import ImageError

__all__ = ["chunk_2", "chunk_3", "compressor"]

_MOST_IN_SHARD = 2**20  # chunks
_CODECS_2 = {"blosc", "zstd", "gzip", "zlib", "lz4", "bz2", "delta", "shuffle"}
_CODECS_3 = {"bytes", "transpose", "blosc", "zstd", "gzip", "crc32c"}
_SHARDS = "sharding_indexed"
_INDEXES = (["bytes"], ["bytes", "crc32c"])


def chunk_2(node: dict[str, Any]) -> tuple[int, ...]:
    """Shape of a chunk of Zarr 2, whose codecs are known."""
    for codec in (node.get("compressor"), *(node.get("filters") or ())):
        _require(codec is None or codec.get("id") in _CODECS_2, codec, "id")
    return tuple(map(int, node["chunks"]))


def chunk_3(node: dict[str, Any], dimensions: int) -> tuple[int, ...]:
    """The same of Zarr 3; within a shard if there are such."""
    grid = node["chunk_grid"]
    if grid["name"] != "regular" or node.get("storage_transformers"):
        raise ImageError("has a grid of chunks that zoo does not read; save it anew")
    chunk = tuple(map(int, grid["configuration"]["chunk_shape"]))
    codecs = list(node["codecs"])
    if codecs and codecs[0].get("name") == _SHARDS:
        inner = codecs[0]["configuration"]
        small = tuple(map(int, inner["chunk_shape"]))
        codecs = [*inner["codecs"], *inner.get("index_codecs", ()), *codecs[1:]]
        many = math.prod(chunk) // max(1, math.prod(small))
        if len(small) != dimensions or min(small) < 1 or many > _MOST_IN_SHARD:
            raise ImageError(
                f"has shards of {chunk} in chunks of {small}; save it anew"
            )
        chunk = small
    for codec in codecs:
        _require(codec.get("name") in _CODECS_3, codec, "name")
    return chunk


def _require(is_known: bool, codec: Any, key: str) -> None:
    if not is_known:
        raise ImageError(
            f"is stored with the codec {str(codec.get(key))[:40]!r}, which zoo does not "
            f"read; save it with blosc, zstd or gzip"
        )


def compressor(node: dict[str, Any]) -> tuple[str, int, int]:
    """The one codec that makes a chunk smaller; chunks in a shard, and its tail."""
    if "codecs" not in node:
        return str((node.get("compressor") or {}).get("id", "")), 0, 0
    codecs, many, tail = node["codecs"], 0, 0
    if codecs[0]["name"] == _SHARDS:
        inner = codecs[0]["configuration"]
        shard = node["chunk_grid"]["configuration"]["chunk_shape"]
        many = math.prod(map(int, shard)) // math.prod(map(int, inner["chunk_shape"]))
        index = inner.get("index_codecs", [])
        tail = 4 * (len(index) > 1)
        if (
            [codec["name"] for codec in index] not in _INDEXES
            or index[0].get("configuration", {}).get("endian", "little") != "little"
            or inner.get("index_location", "end") != "end"
            or codecs[1:]
        ):
            raise ImageError(
                "has shards of a kind that zoo does not read; save it anew"
            )
        codecs = inner["codecs"]
    names = [codec["name"] for codec in codecs]
    found = [name for name in names if name in ("blosc", "zstd", "gzip")]
    if len(found) > 1:
        raise ImageError(
            f"is compressed by {', '.join(found)}; save it with one of them"
        )
    return (found[0] if found else ""), many, tail
