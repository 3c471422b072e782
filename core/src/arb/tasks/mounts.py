"""Where files come from: folders, git, buckets and volumes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, field_serializer, model_validator

from arb.tasks.forms import (
    Flag,
    Form,
    Short,
    Strict,
    Text,
    choice,
    kind,
    needing_one,
    read_map,
    read_text,
    whole,
)
from arb.tasks.hardware import DiskSize

__all__ = ["GitWorkdir", "Mount", "Mounts", "Paths", "Storage", "Volume", "Volumes", "WorkdirForm"]

_NUMBER: Final = r"(?:\d+(?:\.\d+)?|\.\d+)"
_BYTES: Final = re.compile(r"\d+[BKMGTPbkmgtp]?", re.ASCII)
_LOGIN: Final = re.compile(
    r"(?:(?<=^https://)|(?<=^http://))[^/?#$]*(?=@)|(?<=://)[^/?#$@:]*:[^/?#$]*(?=@)", re.IGNORECASE
)
"""What logs in at an address: any user over HTTP may be a token, and a reference is none."""
_AGE: Final = re.compile(rf"(?:[-+]?{_NUMBER}(?:ms|[smhdwMy]))+|[-+]?{_NUMBER}", re.ASCII)


def _matching(pattern: re.Pattern[str], example: str) -> Form:
    def parse(value: Any) -> str:
        text = read_text(value)
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not understood: write for example {example}")
        return text

    return Form(parse, {"type": "string", "pattern": f"^({pattern.pattern})$"})


_Bytes = Annotated[str, _matching(_BYTES, "64M or 10G")]
_Age = Annotated[str, _matching(_AGE, "30s or 24h")]


def _sources(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("it names no file")
        return tuple(read_text(item) for item in value)
    return read_text(value)


class GitWorkdir(Strict):
    """The map form of ``workdir``: a repository that is cloned on every node.

    Attributes:
        url: Of the repository. A password or token in it is stored and shown nowhere; better is a
            reference to one of ``secrets``.
        ref: Branch, tag or commit; empty is the default branch.
    """

    url: Text = Field(repr=False)
    ref: Text = ""

    @field_serializer("url", when_used="json")
    def _without_login(self, url: str) -> str:
        return _LOGIN.sub("***", url)


class CachedMount(Strict):
    """How a bucket that is mounted with a cache is read and written; the names are rclone's.

    Attributes:
        transfers: How many files are written back at once.
        buffer_size: Memory for each open file, for example ``64M``.
        vfs_cache_max_size: Disk for the cache, for example ``10G``.
        vfs_cache_max_age: How long an unused file stays in it, for example ``24h``.
        vfs_read_ahead: How much is read beyond what was asked for.
        vfs_read_chunk_size: How much one request reads.
        vfs_read_chunk_streams: How many requests read one file.
        vfs_write_back: How long a file waits before it is written back, for example ``5s``.
        read_only: Nothing can be written.
    """

    transfers: Annotated[int | None, whole(1)] = None
    buffer_size: _Bytes = ""
    vfs_cache_max_size: _Bytes = ""
    vfs_cache_max_age: _Age = ""
    vfs_read_ahead: _Bytes = ""
    vfs_read_chunk_size: _Bytes = ""
    vfs_read_chunk_streams: Annotated[int | None, whole(0)] = None
    vfs_write_back: _Age = ""
    read_only: Flag = False


class PlainMount(Strict):
    """How a bucket that is mounted without a cache is used.

    Attributes:
        read_only: Nothing can be written.
        hf_mount_args: Arguments for the program that mounts Hugging Face repositories.
    """

    read_only: Flag = False
    hf_mount_args: tuple[Text, ...] = ()


class StorageConfig(Strict):
    """Details of a storage object.

    Attributes:
        mount_cached: For ``MOUNT_CACHED``.
        mount: For ``MOUNT``.
        disk_size: GiB, for a volume.
        disk_tier: How fast, for a volume.
        storage_type: For a volume.
        attach_mode: For a volume.
    """

    mount_cached: CachedMount | None = None
    mount: PlainMount | None = None
    disk_size: DiskSize = 0
    disk_tier: Text = ""
    storage_type: Text = ""
    attach_mode: Text = ""


class Storage(Strict):
    """A storage object: a bucket, or a folder that becomes one.

    Attributes:
        name: Of the bucket. Without ``source`` it must be there already, or is made empty.
        source: A bucket's address such as ``s3://bucket/path``, or local files to upload.
        store: Where a bucket of that name is kept, for example ``s3``.
        mode: ``MOUNT`` (read and write through), ``COPY`` (fetch once) or ``MOUNT_CACHED``.
        persistent: False deletes the bucket with the cluster.
        type: A preset for ``MOUNT_CACHED``.
        config: Details.
    """

    model_config = ConfigDict(json_schema_extra=needing_one("name", "source"))

    name: Text = ""
    source: Annotated[
        str | tuple[str, ...],
        Form(
            _sources,
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ]
            },
            lambda value: list(value) if isinstance(value, tuple) else value,
        ),
    ] = ""
    store: Annotated[str, Form(lambda v: read_text(v).strip().lower(), {"type": "string"})] = ""
    mode: Annotated[str, choice("MOUNT", "COPY", "MOUNT_CACHED")] = "MOUNT"
    persistent: Flag = True
    type: Annotated[
        str,
        choice("MODEL_CHECKPOINT_RO", "MODEL_CHECKPOINT_RW", "DATASET_RO", "DATASET_RW"),
    ] = ""
    config: StorageConfig | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not (self.name or self.source):
            raise ValueError("a storage object needs a name or a source")
        details = self.config or StorageConfig()
        if self.mode != "MOUNT_CACHED" and (self.type or details.mount_cached):
            name = "type" if self.type else "config.mount_cached"
            raise ValueError(f"{name} needs mode: MOUNT_CACHED")
        if self.mode != "MOUNT" and details.mount:
            raise ValueError("config.mount needs mode: MOUNT")
        return self


class Volume(Strict):
    """The map form of an entry of ``volumes``.

    Attributes:
        name: Of a volume that is there already.
        sub_path: The folder of it to mount.
        size: GiB of a new volume that goes with the cluster, for example ``100Gi``.
        type: Of a new volume.
        labels: For a new volume.
        config: For a new volume, as its type understands it.
        host_path: A folder of the machine itself.
        mode: ``ro`` or ``rw``, for ``host_path``.
    """

    model_config = ConfigDict(json_schema_extra=needing_one("name", "size", "host_path"))

    name: Text = ""
    sub_path: Text = ""
    size: DiskSize = 0
    type: Text = ""
    labels: dict[str, Text] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    host_path: Text = ""
    mode: Annotated[str, choice("ro", "rw")] = "ro"

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(map(bool, (self.name, self.size, self.host_path))) == 0:
            raise ValueError("a volume needs a name, a size or a host_path")
        return self


def _text_or_map(what: str) -> Any:
    """Return an ``expand`` for values that are a text, or a map."""

    def expand(value: Any) -> Any:
        if isinstance(value, str | dict | Strict):
            return value
        raise ValueError(f"expected {what} or a map, got {kind(value)}")

    return expand


_TEXT: Final = ({"type": "string"},)
WorkdirForm = Annotated[str | GitWorkdir, Short(GitWorkdir, _text_or_map("a folder"), _TEXT)]
Mount = Annotated[str | Storage, Short(Storage, _text_or_map("a path, an address"), _TEXT)]
Mounts = Annotated[dict[str, Mount], read_map("paths")]
Volumes = Annotated[
    dict[str, Annotated[str | Volume, Short(Volume, _text_or_map("a name"), _TEXT)]],
    read_map("paths"),
]
Paths = Annotated[dict[str, Text], read_map("paths")]
