"""The conformance suite: what a provider must do so that money is safe with it."""

from __future__ import annotations

from arb.testing.checks_endings import EndingChecks
from arb.testing.checks_failures import FailureChecks
from arb.testing.checks_info import InfoChecks
from arb.testing.checks_listings import ListingChecks
from arb.testing.checks_market import MarketChecks
from arb.testing.checks_nodes import NodeChecks
from arb.testing.checks_orders import OrderChecks
from arb.testing.checks_secrets import SecretChecks

__all__ = ["ProviderContract"]


class ProviderContract(
    InfoChecks,
    MarketChecks,
    OrderChecks,
    ListingChecks,
    EndingChecks,
    NodeChecks,
    FailureChecks,
    SecretChecks,
):
    """Every promise of the hooks, one check each. Subclass it in a provider's tests.

    ::

        from arb.testing import ProviderContract
        from arb_acme import plugin


        class TestAcmeContract(ProviderContract):
            plugin = plugin

            def make_cloud(self):
                return AcmeCloud()

    pytest runs it as it is; ``prove`` runs it without a test runner. A check whose situation the
    cloud cannot bring about is skipped as *not proven*, one whose promise the provider never made
    as *does not apply*.

    Attributes:
        plugin: The module or object that the entry point names. Required.
        provider: The provider's id; by default from the name of the plugin's package.
        options: ``provider_options`` of the provider.
        deviations: Checks that the provider cannot pass, by name, with the reason. They are
            skipped and shown; one that passes after all fails, so that none is kept for too long.
        hang_budget_s: Seconds of real time that a hook gets from a backend that hangs.
    """
