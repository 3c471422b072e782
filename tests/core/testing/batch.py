"""A provider over the cloud in memory that buys a whole gang in one call, under one token."""

from __future__ import annotations

from dataclasses import replace

from tests.core.testing.memory_cloud import ApiError
from tests.core.testing.reference import INFO, Reference

from arb.hookspecs import hookimpl
from arb.types import Capability


class Batch(Reference):
    info = replace(INFO, capabilities=INFO.capabilities | {Capability.BATCH})

    @hookimpl
    def arb_provision(self, context, request):
        api = self.client(context)
        made = self.machines(api, request)
        try:
            if not made:
                made = self.order_all(api, request)
        except ApiError as error:
            raise self.refused(request, error, []) from error
        self.beside(api, request)
        return self.result(api, request, made)

    @hookimpl
    def arb_poll(self, context, request, handle):
        return self.demand_capacity(self.machines(self.client(context), request))

    def order_all(self, api, request):
        facts = self.facts(request, request.setups[0])
        rows = api("batch", "launch", count=request.count, **facts)
        return [self.instance(row) for row in rows]

    def machines(self, api, request):
        rows = self.pages(api, request.offer.region)
        return [self.instance(row) for row in rows if row["name"] == request.token]
