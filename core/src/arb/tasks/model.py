"""The task as the rest of the code sees it. Keys and meanings are SkyPilot's."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from arb.tasks.environment import Envs, ManagedSecrets, Secrets
from arb.tasks.forms import Flag, Form, Lenient, Text, excluding, kind, number, read_text, whole
from arb.tasks.mounts import GitWorkdir, Mounts, Paths, Volumes, WorkdirForm
from arb.tasks.resources import Resources
from arb.tasks.service import Pool, Service
from arb.tasks.settings import Settings
from arb.tasks.when import CheckpointForm, DeadlineForm, DurationForm, SelfTerminate

__all__ = ["Task"]

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_REMOTE_WORKDIR: Final = "~/sky_workdir"
_gigabytes = number(0)


def _name(value: Any) -> str:
    text = read_text(value)
    if text and not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name: letters, digits, '.', '_' and '-'")
    return text


def _transfer(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or len(value) > 1:
        raise ValueError(f"expected a map of one address to GB, got {kind(value)}")
    return {str(address): _gigabytes.parse(size) for address, size in value.items()}


_Transfer = Annotated[
    dict[str, float],
    Form(
        _transfer,
        {
            "type": "object",
            "maxProperties": 1,
            "additionalProperties": {"type": "number", "minimum": 0},
        },
    ),
]


class Task(Lenient):
    """A task file.

    Variables with the value None must be given on the command line; a task that is to run has none
    left. ``secrets`` never leave ``repr`` or a dump; elsewhere they stand as ``$NAME`` until
    ``arb.tasks.substitute.reveal``.

    Attributes:
        name: Of the task and its jobs: letters, digits, ``.``, ``_`` and ``-``.
        workdir: A folder that is copied to ``~/sky_workdir`` of every node, where ``setup`` and
            ``run`` start; or a git repository, ``{url: ..., ref: ...}``.
        num_nodes: How many nodes; all run the same.
        resources: What one node must have.
        setup: Shell commands that prepare a node.
        run: Shell commands that are the task.
        envs: Variables of ``setup`` and ``run``. Without a value they must be given with ``--env``.
        secrets: As ``envs``, but shown nowhere; given with ``--secret``.
        managed_secrets: Names of secrets that are kept elsewhere: ``[NAME, {NAME: {mount_path:
            FILE}}]``.
        secret_mounts: Remote path to local file: readable by the task alone, gone with the cluster.
        file_mounts: Remote path to a local path, a bucket's address or a storage object.
        volumes: Remote path to a volume's name or description.
        service: Makes the task a service.
        pool: Makes it a pool of machines for jobs.
        config: Settings for this task.
        inputs: An address and how many GB the task reads from there: ``{s3://data: 120}``.
        outputs: Likewise, for what it writes.
        event_callback: Shell commands that run when a managed job changes its state.
        api_server_access: Means nothing here, as there is no server.
        deadline: When it must have ended: ``12h`` after its submission, or a date and time.
        budget: USD that it may cost altogether.
        estimated_duration: How long it is expected to run: ``2h``, ``3d``.
        checkpoint: The folder that it resumes from.
        self_terminate: How nodes end their own billing when nobody can reach them: ``auto``,
            ``never``, or ``key-on-node`` to allow a key of the account there.
    """

    model_config = ConfigDict(json_schema_extra=excluding(("service", "pool")))

    name: Annotated[str, Form(_name, {"type": "string"})] = ""
    workdir: WorkdirForm = ""
    num_nodes: Annotated[int, whole(1, 9999)] = 1
    resources: Resources = Field(default_factory=Resources)
    setup: Text = ""
    run: Text = ""
    envs: Envs = Field(default_factory=dict)
    secrets: Secrets = Field(default_factory=dict, repr=False, exclude=True)
    managed_secrets: ManagedSecrets = ()
    secret_mounts: Paths = Field(default_factory=dict)
    file_mounts: Mounts = Field(default_factory=dict)
    volumes: Volumes = Field(default_factory=dict)
    service: Service | None = None
    pool: Pool | None = None
    config: Settings = Field(default_factory=Settings)
    inputs: _Transfer = Field(default_factory=dict)
    outputs: _Transfer = Field(default_factory=dict)
    event_callback: Text = ""
    api_server_access: Flag = True
    deadline: DeadlineForm = None
    budget: Annotated[float | None, number(above=0)] = None
    estimated_duration: DurationForm = None
    checkpoint: CheckpointForm = None
    self_terminate: SelfTerminate = "auto"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.service is not None and self.pool is not None:
            raise ValueError("service and pool exclude each other: keep one")
        if self.workdir and _REMOTE_WORKDIR in self.file_mounts:
            raise ValueError(f"{_REMOTE_WORKDIR} is where the workdir goes: mount elsewhere")
        return self

    @property
    def folder(self) -> str:
        """The local folder to copy; empty for none, and for a git repository."""
        return "" if isinstance(self.workdir, GitWorkdir) else self.workdir
