"""The page of task files: every key from the models that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

SIZES = {"disk_size", "ephemeral_storage", "size"}
INTRO = """\
# Task files

A task file is YAML and says what to run and on what. Keys and meanings are SkyPilot's (0.14.1), with some of
our own; every key is optional. A file has at most 10 MB, 100,000 values and 100 levels: data goes below `workdir`.
It may come through a pipe: `arb launch <(make-task)`, `arb launch /dev/stdin`, or a named one that somebody writes into.

```yaml
name: train
workdir: .
resources:
  accelerators: {H100: 8, H200: 8}   # any of these
  use_spot: prefer
  max_hourly_cost: 25
  any_of:
    - infra: aws/us-east-1
    - infra: lambda
envs:
  STEPS: 1000
secrets:
  HF_TOKEN:                          # given with --secret HF_TOKEN
setup: pip install -r requirements.txt
run: torchrun --nproc_per_node 8 train.py --steps $STEPS
```

| command | does |
|---|---|
| `arb task check FILE...` | says what is wrong and what must be given; needs no credentials and no network |
| `arb task show FILE` | prints the file as it was understood, and every machine that would do |
| `arb task schema > arb-task.json` | writes the JSON Schema for editors |

With the schema beside it, a first line `# yaml-language-server: $schema=arb-task.json` makes editors complete
and check a task file.

## What is checked

Everything that is wrong in a file is told at once, each with `file:line:column`. Unknown keys are refused with
the closest match or the place where they belong, retired ones (`spot_recovery`, `candidates`, `gpus`) with
their successor. A key without a value is as if it were not there, but for `accelerators` and below the first
two levels: there it is a template's blank, and refused.

A key that is read and that the command does not act on costs one warning; the last column of the tables
says which commands act. A provider without an installed plugin is a warning too, as another alternative may do.

## Choices

`any_of` and `ordered` list alternatives. An entry inherits every key beside the list that it does not give
itself; labels are added. `ordered` is a strict preference: a later entry is tried only when no offer of an earlier
one can be had. `any_of`, and a map or set of accelerators, leave the choice to the objective. A list of
accelerators is an order of preference as well, within each entry of `ordered`.

What the command line says (`--infra`, `--gpus`, `--cpus`, ...) replaces that key in every entry; the value `none`
takes it away.

## Variables

`envs` and `secrets` are variables of `setup` and `run`. `$NAME` and `${NAME}` are also filled in, before anything is
checked, in `workdir`, `file_mounts`, `secret_mounts`, `volumes`, `service` and `checkpoint`, keys and values;
names that are not known stay as they are. Values of secrets are put in their place only when they are used: no
listing, log, database or error has them.

## Several tasks

Documents with `---` between them are a pipeline: one task after the other. A first document with `name`, and
perhaps `execution: serial`, names it. With `execution: parallel` the documents are a group that runs at once.
`arb launch` and `arb exec` run files of one task."""

DIFFERENCES = """\
## Where SkyPilot differs

Accepted here and not there: `H100:2+`, `use_spot: prefer`, several choices of accelerators together with `ordered`
or with entries of `any_of`, `cloud: k8s`, sizes such as `1.5TB`, `1h30m`, the service's short form, providers and
stores that nobody has heard of (as a plugin may bring them).

Refused here and accepted there: `gpus` (write `accelerators`), `accelerators` or a bucket's `name` left blank,
secrets whose names are no variable names, storage objects without name and source, unknown keys of a storage
object's `config`."""


def tasks_page() -> str:
    """Return the page of task files."""
    from arb.tasks.groups import GroupHeader
    from arb.tasks.model import Task

    parts = [INTRO, "## Keys", *block(Task, "", "")]
    for key, model in below(Task):
        parts += block(model, key, f"### `{key}`")
    parts += ["### The header of a group", *block(GroupHeader, "(header)", ""), DIFFERENCES]
    return "\n\n".join(part for part in parts if part) + "\n"


def below(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Go over the blocks below a model, each under the first key that leads to it."""
    seen: set[Any] = set()
    pending = [(path, model)]
    while pending:
        at, current = pending.pop(0)
        for name, field in current.model_fields.items():
            found = inner(field)
            if found is not None and found not in seen and found.__name__ != "Choice":
                seen.add(found)
                key = f"{at}.{name}".strip(".")
                yield key, found
                pending.append((key, found))


def inner(field: Any) -> type[BaseModel] | None:
    """Return the model of a field's maps."""
    from arb.tasks.faults import model_of

    return model_of(field.annotation, field.metadata)


def block(model: type[BaseModel], path: str, heading: str) -> list[str]:
    """Return heading and table of one block."""
    from arb.tasks.schema import meanings

    told = meanings(model)
    rows = ["| key | default | meaning | acted upon by |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        key = f"{path}.{name}".strip(".")
        meaning = told[name].replace("``", "`").replace("|", "\\|")
        usual = "" if name in SIZES else default(field)
        rows.append(f"| `{name}` | {usual} | {meaning} | {acting(key)} |")
    return [heading, "\n".join(rows)]


def default(field: Any) -> str:
    """Return what counts when a key is not there."""
    if field.is_required():
        return "needed"
    value = field.default if field.default_factory is None else None
    if value is None or value in ("", ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def acting(key: str) -> str:
    """Return the commands that act on a key."""
    from arb.tasks.acted import commands_for

    return ", ".join(commands_for(key)) or "none yet"
