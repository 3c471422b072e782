"""The part of EC2's description that is kept."""

from __future__ import annotations

import pytest

from arb_aws.client import Client
from arb_aws.lean import lean, loader
from arb_aws.policy import actions
from arb_aws.settings import Settings


def test_operations_that_are_kept_are_described_as_they_were():
    from botocore.loaders import create_loader
    from botocore.model import ServiceModel

    whole = create_loader().load_service_model("ec2", "service-2")
    part = loader().load_service_model("ec2", "service-2")
    assert set(part["operations"]) == actions("ec2")
    assert len(part["shapes"]) < len(whole["shapes"]) / 4
    kept, known = ServiceModel(part, "ec2"), ServiceModel(whole, "ec2")
    for name in actions("ec2"):
        for side in ("input_shape", "output_shape"):
            said, wanted = (getattr(m.operation_model(name), side) for m in (kept, known))
            assert _tree(said) == _tree(wanted)


def _tree(shape, above=()):
    """Return a shape with all below it, as far as shapes do not hold themselves."""
    if shape is None or shape.name in above:
        return shape and shape.name
    members = getattr(shape, "members", {}) if shape.type_name == "structure" else {}
    below = {name: _tree(member, (*above, shape.name)) for name, member in members.items()}
    if shape.type_name == "list":
        below["member"] = _tree(shape.member, (*above, shape.name))
    return (shape.name, shape.type_name, repr(shape.serialization), below)


def test_what_nobody_calls_is_no_method(account):
    client = Client.from_context(account.context())._client("ec2", "us-east-1", "X")
    assert hasattr(client, "run_instances")
    assert not hasattr(client, "create_vpc")


def test_an_operation_that_is_not_there_any_more_is_loud():
    with pytest.raises(KeyError, match="RunInstances"):
        lean({"operations": {}, "shapes": {}}, ["RunInstances"])


def test_sessions_share_what_was_read_and_add_nothing_to_it(account):
    before = list(loader().search_paths)
    for _ in range(3):
        Client(account.context(), Settings()).source()
    assert loader().search_paths == before
