"""Providers that hang, leak, print, mix calls up or change what they only look at."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import replace

from tests.core.testing.broken import breaks
from tests.core.testing.reference import INFO, Client, Reference

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb.hookspecs import hookimpl
from arb.types import NoticeProbe, SelfTerminate

_LOG = logging.getLogger(__name__)
_COUNT = itertools.count()


@breaks("the_way_to_end_itself_is_what_the_capability_says")
class NeedsTheAccountsKey(Reference):
    @hookimpl
    def arb_self_terminate(self, context, instance):
        return SelfTerminate("call-home --end", needs_account_key=True)


@breaks("the_way_to_end_itself_is_what_the_capability_says")
class CannotEndItself(Reference):
    @hookimpl
    def arb_self_terminate(self, context, instance):
        return None


@breaks("the_warning_is_one_that_a_node_can_watch")
class WarnsInTwoPlaces(Reference):
    @hookimpl
    def arb_preemption_notice(self):
        return replace(super().arb_preemption_notice(), path="/run/notice")


@breaks("the_warning_is_one_that_a_node_can_watch")
class HasATokenForNoHeader(Reference):
    @hookimpl
    def arb_preemption_notice(self):
        return NoticeProbe(url="http://169.254.169.254/n", token_url="http://169.254.169.254/t")


@breaks("the_warning_is_one_that_a_node_can_watch")
class WarnsForNoTime(Reference):
    info = replace(INFO, notice_s=0)


@breaks("mounted_credentials_are_files_that_are_there")
class MountsWhatMayNotBeThere(Reference):
    @hookimpl
    def arb_credential_mounts(self, context):
        return {"~/.memory/config": str(context.home / ".memory" / "config")}


@breaks("mounted_credentials_are_files_that_are_there")
class MountsAFolder(Reference):
    @hookimpl
    def arb_credential_mounts(self, context):
        return {"~/.memory": str(context.home / ".memory")}


@breaks("no_private_ssh_key_is_mounted")
class MountsTheUsersKey(Reference):
    @hookimpl
    def arb_credential_mounts(self, context):
        own = {"~/.ssh/id_ed25519": str(context.home / ".ssh" / "id_ed25519")}
        return super().arb_credential_mounts(context) | own


class _Patient(Client):
    def send(self, operation, arguments):
        patient = replace(self.context, deadline=self.context.clock.monotonic() + 60)
        self.context, given = patient, self.context
        try:
            return super().send(operation, arguments)
        finally:
            self.context = given


@breaks("every_hook_ends_by_its_deadline")
class WaitsAMinuteForEveryAnswer(Reference):
    client = _Patient


class _HalfDone(Client):
    def __call__(self, operation, budget="read", **arguments):
        try:
            return super().__call__(operation, budget, **arguments)
        except ProviderUnavailable as error:
            if operation == "rules" and isinstance(error.__cause__, TimeoutError):
                raise error.__cause__ from None
            raise


@breaks("every_hook_ends_by_its_deadline")
class LetsATimeoutThrough(Reference):
    client = _HalfDone


@breaks("refused_credentials_are_credentials_errors")
class HopesThatAKeyIsTakenLater(Reference):
    @hookimpl
    def arb_terminate(self, context, instance):
        try:
            return super().arb_terminate(context, instance)
        except CredentialsError as error:
            if error.code == "memory-key-refused":
                raise ProviderUnavailable(error.summary) from error
            raise


@breaks("server_errors_are_unavailability")
class TakesAnOutageForALimit(Reference):
    @hookimpl
    def arb_provision(self, context, request):
        try:
            return super().arb_provision(context, request)
        except ProviderUnavailable as error:
            if "HTTP 503" in error.summary:
                raise RateLimited(error.summary, retry_after_s=10) from error
            raise


class _Trusting(Client):
    def read(self, operation, answer):
        return answer


@breaks("unreadable_answers_are_unavailability")
class TrustsEveryAnswer(Reference):
    client = _Trusting


@breaks("too_many_requests_are_told_with_the_wait")
class CallsALimitAnOutage(Reference):
    @hookimpl
    def arb_list_instances(self, context, query):
        try:
            return super().arb_list_instances(context, query)
        except RateLimited as error:
            raise ProviderUnavailable(error.summary) from error


class _Impatient(Client):
    def told(self, operation, error):
        told = super().told(operation, error)
        if isinstance(told, RateLimited):
            told.retry_after_s = 1
        return told


@breaks("too_many_requests_are_told_with_the_wait")
class AsksAgainTooEarly(Reference):
    client = _Impatient


@breaks("calls_side_by_side_do_not_mix")
class KeepsTheOrderInAGlobal(Reference):
    @hookimpl
    def arb_provision(self, context, request):
        self.request = request
        assert "MEMORY_API_KEY" in context.env or not context.env.get("MEMORY_URL")
        return super().arb_provision(context, self.request)


@breaks("looking_changes_nothing")
class ChecksByMakingARule(Reference):
    @hookimpl
    def arb_check(self, context):
        result = super().arb_check(context)
        if result.status == "ok":
            self.client(context)("add_rule", name=f"probe-{context.owner}-{next(_COUNT)}")
        return result


class _TellsTheKey(Client):
    def told(self, operation, error):
        told = super().told(operation, error)
        if isinstance(told, CredentialsError):
            told.summary = f"memory: the key {self.key} was refused"
        return told


class _TellsTheAnswer(Client):
    def told(self, operation, error):
        told = super().told(operation, error)
        if isinstance(told, ProviderUnavailable):
            told.hint = f"the server said: {error.text}"
        return told


@breaks("no_secret_is_told")
class TellsTheRefusedKey(Reference):
    client = _TellsTheKey


@breaks("no_secret_is_told")
class RepeatsWhatTheServerSaid(Reference):
    client = _TellsTheAnswer


class _ChainsTheAnswer(Client):
    def __call__(self, operation, budget="read", **arguments):
        try:
            return super().__call__(operation, budget, **arguments)
        except CredentialsError as error:
            raise error from RuntimeError(f"HTTP 401 for {self.key}")


@breaks("no_secret_is_told")
class TellsTheKeyInTheCauseOfAnError(Reference):
    client = _ChainsTheAnswer


@breaks("no_secret_is_told")
class LogsUserData(Reference):
    def user_data(self, setup):
        text = super().user_data(setup)
        _LOG.debug("user data: %s", text)
        return text


@breaks("no_secret_is_told")
class ReturnsUserDataInItsHandle(Reference):
    def handle(self, request):
        facts = json.loads(super().handle(request))
        return json.dumps({**facts, "user_data": self.user_data(request.setups[0])})


@breaks("no_secret_reaches_what_others_see")
class PutsUserDataIntoALabel(Reference):
    def labels(self, request, setup):
        return super().labels(request, setup) | {"boot": self.user_data(setup)}


@breaks("no_secret_reaches_what_others_see")
class PutsTheKeyOnTheNode(Reference):
    @hookimpl
    def arb_provision(self, context, request):
        self.key = context.env.get("MEMORY_API_KEY", "")
        return super().arb_provision(context, request)

    def user_data(self, setup):
        return f"{super().user_data(setup)}\nexport MEMORY_API_KEY={self.key}"


@breaks("no_secret_is_written_to_a_file")
class CachesItsKey(Reference):
    @hookimpl
    def arb_check(self, context):
        result = super().arb_check(context)
        (context.cache_dir / "session").write_text(context.env.get("MEMORY_API_KEY", ""))
        return result


@breaks("nothing_is_printed")
class PrintsWhatItDoes(Reference):
    @hookimpl
    def arb_self_terminate(self, context, instance):
        print("recipe of", instance.id)
        return super().arb_self_terminate(context, instance)


class _Stubborn(Client):
    def send(self, operation, arguments):
        given, clock = self.context, self.context.clock
        for _ in range(2 if operation == "list" else 0):
            try:
                return super().send(operation, arguments)
            except TimeoutError:
                deadline = clock.monotonic() + self.context.remaining_s() + 2
                self.context = replace(given, deadline=deadline)
        return super().send(operation, arguments)


@breaks("every_hook_ends_by_its_deadline")
class TriesThreeTimes(Reference):
    client = _Stubborn
