"""Arguments and options, each declared once: a command lists the names that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arb.cli.completion import (
    complete_accelerator,
    complete_cluster,
    complete_objective,
    complete_provider,
)

# What a command is about.
Cluster = Annotated[
    str,
    typer.Argument(metavar="CLUSTER", help="Name of the cluster.", autocompletion=complete_cluster),
]
TaskArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="TASK.yaml | COMMAND", help="A task file, or a shell command to run."),
]

# Variables of a task.
Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="A variable; NAME alone takes it from this shell. Repeatable.",
    ),
]
EnvFile = Annotated[
    list[Path] | None,
    typer.Option("--env-file", metavar="FILE", help="A file of NAME=value lines. Repeatable."),
]
Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=VALUE]",
        help="As --env, but kept out of every table, log and listing. Repeatable.",
    ),
]

# What a task needs.
Infra = Annotated[
    str,
    typer.Option(
        "--infra",
        metavar="PLACE",
        help="PROVIDER[/REGION[/ZONE]].",
        autocompletion=complete_provider,
    ),
]
Gpus = Annotated[
    str,
    typer.Option(
        "--gpus",
        "--gpu",
        metavar="NAME[:COUNT]",
        help="For example H100:8.",
        autocompletion=complete_accelerator,
    ),
]
NumNodes = Annotated[
    int | None, typer.Option("--num-nodes", metavar="N", min=1, help="How many nodes.")
]
UseSpot = Annotated[
    bool | None,
    typer.Option("--use-spot/--no-use-spot", "--spot/--on-demand", help="Spot or on-demand."),
]
PreferSpot = Annotated[
    bool, typer.Option("--prefer-spot", help="Spot and on-demand, whichever is cheaper.")
]
Cpus = Annotated[str, typer.Option("--cpus", metavar="N[+]", help="vCPUs, for example 8+.")]
Memory = Annotated[
    str, typer.Option("--memory", metavar="GIB[+]", help="GiB, for example 64+, or 4x a vCPU.")
]
InstanceType = Annotated[
    str, typer.Option("--instance-type", metavar="TYPE", help="The provider's own name.")
]
DiskSize = Annotated[
    str, typer.Option("--disk-size", metavar="GIB", help="Boot disk, for example 200 or 1TB.")
]
ImageId = Annotated[str, typer.Option("--image-id", metavar="IMAGE", help="What a node boots.")]
Ports = Annotated[
    list[str] | None,
    typer.Option("--ports", metavar="PORT", help="8080 or 8000-8010, to open. Repeatable."),
]
MaxHourlyCost = Annotated[
    float | None,
    typer.Option("--max-hourly-cost", metavar="USD", help="At most this for one node and hour."),
]
Workdir = Annotated[
    str,
    typer.Option(
        "--workdir", metavar="FOLDER", help="Folder to copy to ~/sky_workdir of every node."
    ),
]

# Which offer is best, and how to buy it.
Objective = Annotated[
    str,
    typer.Option(
        "--objective",
        metavar="NAME",
        help="What is best: cost, value (USD for a dense bf16 PFLOP-hour) or latency.",
        autocompletion=complete_objective,
    ),
]
Near = Annotated[
    list[str] | None,
    typer.Option(
        "--near",
        metavar="LAT,LON | REGION",
        help="Where clients are, for the objective latency. Repeatable.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree without being asked.")]

# How the answer looks.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the prices, too.")
]
