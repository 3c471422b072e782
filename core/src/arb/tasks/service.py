"""What is served: the ``service`` and ``pool`` blocks."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from arb.tasks.forms import (
    Flag,
    Form,
    Lenient,
    Short,
    Strict,
    Text,
    choice,
    excluding,
    kind,
    needing_one,
    number,
    read_map,
    read_text,
    whole,
)

__all__ = ["LoadBalancer", "Pool", "Probe", "Rates", "ReplicaPolicy", "Service", "Tls"]

_GPU: Final = re.compile(r"[^:\s]+(:[0-9]+)?", re.ASCII)
_SHORT: Final = ("replicas", "max_replicas", "target_qps_per_replica")
_OF_POOLS: Final = frozenset({"pool", "workers", "readiness_probe"})
_PATH: Final = {"type": "string", "pattern": "^[/$]"}
_rate = number(0)


def _path(value: Any) -> str:
    text = read_text(value)
    if not text.startswith(("/", "$")):
        raise ValueError(f"{text!r} does not begin with a slash")
    return text


def _post_data(value: Any) -> Any:
    """Return the map to send, or other JSON as a text; with a variable in it a text stays one."""
    import json

    if isinstance(value, dict):
        return value
    text = read_text(value)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "$" in text:
            return text
        raise ValueError("it is not JSON") from error
    return found if isinstance(found, dict) else text


def _rates(value: Any) -> float | dict[str, float]:
    if not isinstance(value, dict):
        return _rate.parse(value)  # type: ignore[no-any-return]  # a number's form returns numbers
    for name in value:
        if not _GPU.fullmatch(str(name)):
            raise ValueError(f"{name!r} is not an accelerator: write NAME or NAME:COUNT")
    return {str(name): _rate.parse(rate) for name, rate in value.items()}


Rates = Annotated[
    float | dict[str, float] | None,
    Form(
        _rates,
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            ]
        },
    ),
]


class Probe(Strict):
    """The map form of ``readiness_probe``.

    Attributes:
        path: What is asked for.
        post_data: What is sent, as a map or JSON; without it the request is a GET.
        headers: Sent with it.
        initial_delay_seconds: How long a replica may take until it first answers.
        timeout_seconds: How long one answer may take.
        endpoint_probe_interval_seconds: How often is asked.
        consecutive_failure_threshold_timeout: After how many seconds without an answer a replica
            is replaced.
    """

    path: Annotated[str, Form(_path, _PATH)]
    post_data: Annotated[Any, Form(_post_data, {"type": ["object", "string"]})] = None
    headers: Annotated[dict[str, Text], read_map("headers")] = Field(default_factory=dict)
    initial_delay_seconds: Annotated[float, number(0)] = 1200
    timeout_seconds: Annotated[float, number(above=0)] = 15
    endpoint_probe_interval_seconds: Annotated[float, number(above=0)] = 10
    consecutive_failure_threshold_timeout: Annotated[float, number(0)] = 180


class ReplicaPolicy(Strict):
    """How many replicas there are.

    Attributes:
        min_replicas: At least these; 0 lets the service sleep.
        max_replicas: At most these; None is as many as ``min_replicas``.
        num_overprovision: How many spot replicas more than needed are kept.
        target_qps_per_replica: Requests a second that one replica is to answer: a number, or one
            for each accelerator.
        upscale_delay_seconds: How long more must be needed before replicas are added.
        downscale_delay_seconds: How long fewer must do before replicas are taken away.
        dynamic_ondemand_fallback: Replace missing spot replicas by on-demand ones meanwhile.
        base_ondemand_fallback_replicas: How many replicas are always on demand.
        spot_placer: How spot replicas are spread over places.
    """

    min_replicas: Annotated[int, whole(0)]
    max_replicas: Annotated[int | None, whole(0)] = None
    num_overprovision: Annotated[int, whole(0)] = 0
    target_qps_per_replica: Rates = None
    upscale_delay_seconds: Annotated[float, number(0)] = 300
    downscale_delay_seconds: Annotated[float, number(0)] = 1200
    dynamic_ondemand_fallback: Flag = False
    base_ondemand_fallback_replicas: Annotated[int, whole(0)] = 0
    spot_placer: Annotated[str, choice("dynamic_fallback")] = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas is below min_replicas")
        return self


class LoadBalancer(Strict):
    """How requests are passed on.

    Attributes:
        stream_timeout_seconds: How long an answer may pause.
    """

    stream_timeout_seconds: Annotated[float, number(above=0)] = 120


class Tls(Strict):
    """The certificate of the endpoint: local files.

    Attributes:
        keyfile: The private key.
        certfile: The certificate chain.
    """

    keyfile: Text
    certfile: Text


class Pool(Strict):
    """Machines that wait for jobs.

    Attributes:
        workers: How many, always.
        min_workers: At least these, when their number follows the queue.
        max_workers: At most these.
        queue_length_threshold: How many waiting jobs call for one more.
        upscale_delay_seconds: How long they must wait before it is bought.
        downscale_delay_seconds: How long a machine must be idle before it goes.
    """

    model_config = ConfigDict(json_schema_extra=needing_one("workers", "max_workers"))

    workers: Annotated[int | None, whole(0)] = None
    min_workers: Annotated[int | None, whole(0)] = None
    max_workers: Annotated[int | None, whole(0)] = None
    queue_length_threshold: Annotated[int, whole(1)] = 1
    upscale_delay_seconds: Annotated[float, number(0)] = 300
    downscale_delay_seconds: Annotated[float, number(0)] = 1200

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.workers is None and self.max_workers is None:
            raise ValueError("give workers, or min_workers and max_workers")
        if self.max_workers is None:
            if self.min_workers is not None:
                raise ValueError("min_workers needs max_workers")
            if "queue_length_threshold" in self.model_fields_set:
                raise ValueError("queue_length_threshold needs max_workers")
        elif self.max_workers < (self.min_workers or 0):
            raise ValueError("max_workers is below min_workers")
        return self


def _probe(value: Any) -> Any:
    if isinstance(value, str):
        return {"path": value}
    if isinstance(value, dict | Probe):
        return value
    raise ValueError(f"expected a path or a map, got {kind(value)}")


class Service(Lenient):
    """What makes a task a service.

    Attributes:
        readiness_probe: How a replica shows that it is ready: a path, or a map.
        replicas: How many replicas; with ``max_replicas`` the minimum and the start.
        max_replicas: Short for ``replica_policy.max_replicas``.
        target_qps_per_replica: Short for ``replica_policy.target_qps_per_replica``.
        replica_policy: How many replicas, in full.
        load_balancing_policy: Which replica gets a request; ``latency`` is the fastest to answer.
        load_balancer: How requests are passed on.
        ports: The port of a replica; ``resources.ports`` if it is left out.
        tls: Serve over HTTPS.
        pool: As the task's own ``pool``.
        workers: Another name of ``replicas``.
    """

    model_config = ConfigDict(json_schema_extra=excluding(("replicas", "replica_policy")))

    readiness_probe: Annotated[Probe, Short(Probe, _probe, (_PATH,))] = Field(
        default_factory=lambda: Probe(path="/")
    )
    replicas: Annotated[int | None, whole(0)] = None
    max_replicas: Annotated[int | None, whole(0)] = None
    target_qps_per_replica: Rates = None
    replica_policy: ReplicaPolicy | None = None
    load_balancing_policy: Annotated[
        str, choice("least_load", "round_robin", "instance_aware_least_load", "latency")
    ] = "least_load"
    load_balancer: LoadBalancer = Field(default_factory=LoadBalancer)
    ports: Annotated[int | None, whole(1, 65535)] = None
    tls: Tls | None = None
    pool: Pool | None = None
    workers: Annotated[int | None, whole(0)] = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        short = [name for name in _SHORT if getattr(self, name) is not None]
        if self.replica_policy is not None and short:
            told = " and ".join(short)
            raise ValueError(f"replica_policy excludes {told}: write it in one place")
        if self.pool is not None and (others := self.model_fields_set - _OF_POOLS):
            raise ValueError(f"pool excludes {' and '.join(sorted(others))}")
        if self.workers is not None and self.replicas is not None:
            raise ValueError("workers and replicas exclude each other: keep one")
        if self.max_replicas is not None and self.max_replicas < self.policy.min_replicas:
            raise ValueError("max_replicas is below replicas")
        return self

    @property
    def policy(self) -> ReplicaPolicy:
        """The replica policy, whichever form was written."""
        if self.replica_policy is not None:
            return self.replica_policy
        count = self.workers if self.replicas is None else self.replicas
        given = {
            "min_replicas": 1 if count is None else count,
            "max_replicas": self.max_replicas,
            "target_qps_per_replica": self.target_qps_per_replica,
        }
        known = {name: value for name, value in given.items() if value is not None}
        return ReplicaPolicy.model_validate(known)
