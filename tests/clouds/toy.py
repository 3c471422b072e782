"""The smallest simulated cloud: to copy from, and what the base is tested on.

``POST /things`` makes a machine, ``GET /things`` lists them, ``DELETE /things/ID`` ends one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouds.cloud import Cloud
from clouds.http import Answer
from clouds.model import NoRoom, Order
from clouds.userdata import UserData

if TYPE_CHECKING:
    from clouds.http import Request

__all__ = ["Toy"]


class Toy(Cloud):
    """Machines of one type in one region, at 3.60 USD an hour."""

    def operation(self, request: Request) -> str:
        """Leave ids out."""
        return f"{request.method} /things"

    def handle(self, request: Request) -> Answer:
        """Answer one call."""
        if request.method == "POST":
            return self._make(request.json())
        if request.method == "DELETE":
            self.end_vm(self.find(request.path.removeprefix("/things/")))
            return Answer(204)
        at = self.listed_at()
        states = {vm.id: vm.state(at) for vm in self.vms.values()}
        return Answer(200, {id_: state for id_, state in states.items() if state})

    def _make(self, body: dict[str, str]) -> Answer:
        data = UserData.of_cloud_config(body.get("user_data", ""), body["key"])
        order = Order(body["name"], "small", "north", 3.6, data)
        try:
            self.check_room(order)
        except NoRoom as error:
            return Answer(409, {"error": str(error)})
        return Answer(201, {"id": self.make_vm(order, self.new_id("t-")).id})


if __name__ == "__main__":
    from clouds.main import main

    main(Toy)
