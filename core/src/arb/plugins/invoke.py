"""One hook call: through the wrappers, with a deadline, and with every failure put where it belongs.

What the provider itself said wins over a wrapper that broke. What was done at the provider is never
lost to a wrapper, broken or not. Nothing is bought past a wrapper that could not decide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, PluginError, ProviderUnavailable
from arb.plugins.blame import Suspects, describe
from arb.plugins.calls import call
from arb.plugins.recorder import Recorder, Stage
from arb.plugins.results import WrongResult, check_error, checked, is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arb.plugins.calls import Outcome
    from arb.plugins.registry import Wrappers
    from arb.plugins.validation import PluginHooks
    from arb.plugins.warnings import Warnings

__all__ = ["Invoker"]

_SPENDING: Final = frozenset({"arb_provision", "arb_start"})
_ACTING: Final = _SPENDING | {"arb_terminate", "arb_stop", "arb_cleanup", "arb_open_ports"}
_PROVIDER: Final = ""
"""The provider's name among the suspects: no plugin can be called that."""


class Invoker:
    """Calls hooks of providers and stores.

    Args:
        wrappers: What sees every call.
        warnings: Hears of wrappers that broke.
        env: Used to keep secrets out of messages.
    """

    def __init__(self, wrappers: Wrappers, warnings: Warnings, env: Mapping[str, str]) -> None:
        self._wrappers: Final = wrappers
        self._warnings: Final = warnings
        self._env: Final = env

    def invoke(
        self,
        subject: PluginHooks,
        hook: str,
        arguments: Callable[[], Mapping[str, object]],
        budget_s: float,
    ) -> Any:
        """Call one hook and return its checked result.

        Args:
            subject: Whose hook; it must implement it.
            hook: Which.
            arguments: Makes the arguments, anew when the call must be repeated.
            budget_s: Seconds until nobody waits any more.

        Raises:
            ArbError: What the provider raised, or a wrapper to refuse the call, unchanged.
            ProviderUnavailable: It did not answer in time (code ``deadline``), now or before.
            PluginError: It broke the contract: any other exception, or a wrong result.
        """
        skipped = frozenset(
            name for name, plugin in self._wrappers.around(hook).items() if plugin.hung_in
        )
        while True:
            attempt = _Attempt(self, subject, hook, budget_s, skipped)
            attempt.refuse_if_hopeless()
            answer = attempt.run(arguments())
            if not attempt.broken:
                return answer
            skipped |= attempt.broken

    def through_wrappers(self, attempt: _Attempt, arguments: Mapping[str, object]) -> Outcome[Any]:
        """Run one attempt in a thread of its own."""
        function = attempt.recorder.around(attempt.subject.found[attempt.hook].function)
        return call(
            lambda: self._wrappers.call(attempt.hook, function, arguments, attempt.skipped),
            budget_s=attempt.budget_s,
            name=f"{attempt.subject.entry.name}.{attempt.hook}",
        )

    def around(self, hook: str) -> dict[str, PluginHooks]:
        """Return the plugins that wrap a hook."""
        return self._wrappers.around(hook)

    def warn(self, plugin: PluginHooks, hook: str, text: str) -> None:
        """Warn about one plugin's part in a hook."""
        self._warnings.about(plugin.entry, hook, f"{hook} {text}")

    def describe(self, error: BaseException) -> str:
        """Return an exception in one line."""
        return describe(error, self._env)


class _Attempt:
    """One pass through the wrappers.

    Attributes:
        broken: Wrappers that failed before the provider was entered: the caller leaves them out and
            tries again. Empty when the result counts.
    """

    def __init__(
        self,
        invoker: Invoker,
        subject: PluginHooks,
        hook: str,
        budget_s: float,
        skipped: frozenset[str],
    ) -> None:
        self.subject: Final = subject
        self.hook: Final = hook
        self.budget_s: Final = budget_s
        self.skipped: Final = skipped
        self.recorder: Final = Recorder()
        self.broken: frozenset[str] = frozenset()
        self._invoker: Final = invoker
        around = invoker.around(hook)
        self._around: Final = {n: p for n, p in around.items() if n not in skipped}
        functions = {name: p.found[hook].function for name, p in self._around.items()}
        self._suspects: Final = Suspects({**functions, _PROVIDER: subject.found[hook].function})

    def refuse_if_hopeless(self) -> None:
        """Do not enter what hung before, and do not buy past a wrapper that is left out.

        Raises:
            ProviderUnavailable: The provider hung before.
            PluginError: A wrapper did, and this call spends money.
        """
        if self.subject.hung_in:
            text = f"is not called: {self.subject.hung_in} hung before"
            raise _never_sent(self._unavailable(text))
        if self.hook in _SPENDING and self.skipped:
            plugin = self._invoker.around(self.hook)[min(self.skipped)]
            raise _never_sent(_error(plugin, f"{self.hook} is refused: its wrapper hung before"))

    def run(self, arguments: Mapping[str, object]) -> Any:
        """Make the call and return what counts of it."""
        outcome = self._invoker.through_wrappers(self, arguments)
        stage = self.recorder.close()
        if outcome.printed is not None:
            who = self._suspects.behind_frame(outcome.printed) or _PROVIDER
            self._invoker.warn(self._plugin(who), self.hook, "printed to standard output")
        if not outcome.finished:
            return self._overrun(outcome, stage)
        if outcome.error is not None:
            return self._failed(outcome.error, stage)
        return self._answered(outcome.value, stage)

    def _overrun(self, outcome: Outcome[Any], stage: Stage) -> Any:
        """Nobody waits any more: find out for whom."""
        text = f"gave no answer within {self.budget_s:g} s"
        if stage is Stage.INSIDE:
            if self.hook not in self.subject.unawaited:
                self.subject.hung_in = self.hook
                self.subject.hung_calls.append(outcome.ended)
            raise self._unavailable(text)
        if not self._around:  # the machine is overloaded, or the answer came this moment
            if stage is Stage.OUTSIDE:
                raise _never_sent(self._unavailable(text))
            return self._own_answer()
        guilty = self._guilty(self._suspects.behind_frame(outcome.frame))
        for name in guilty:
            self._around[name].hung_in = self.hook
        return self._despite(guilty, text, stage)

    def _failed(self, error: BaseException, stage: Stage) -> Any:
        """Something was raised: by the provider, by a wrapper to refuse, or by a broken wrapper."""
        if error is self.recorder.error or not self._around:
            raise self._told(error)
        if is_sound(error, self.subject.entry.name):
            if self.hook in _ACTING and stage is not Stage.OUTSIDE:
                guilty = self._guilty(self._suspects.behind_error(error))
                return self._despite(guilty, f"raised {self._invoker.describe(error)}", stage)
            raise _never_sent(error) if stage is Stage.OUTSIDE else error
        guilty = self._guilty(self._suspects.behind_error(error))
        return self._despite(guilty, f"raised {self._invoker.describe(error)}", stage, error)

    def _answered(self, value: object, stage: Stage) -> Any:
        """Choose between the provider's own result and what wrappers made of it."""
        if stage is Stage.RAISED and self.hook in _ACTING:
            return self._despite(self._guilty(None), "hid the provider's error", stage)
        own = None if stage is Stage.RAISED else self._own_answer()
        if value is self.recorder.value and stage is Stage.RETURNED:
            return own
        try:
            changed = checked(self.hook, value, self.subject.entry.name)
        except WrongResult as wrong:
            return self._despite(self._guilty(None), str(wrong), stage)
        if loss := _loss(self.hook, own, changed):
            return self._despite(self._guilty(None), loss, stage)
        return changed

    def _despite(
        self,
        guilty: frozenset[str],
        text: str,
        stage: Stage,
        cause: BaseException | None = None,
    ) -> Any:
        """Go on without wrappers that broke: warn, then use what the provider itself said.

        Raises:
            PluginError: It said nothing yet and the call spends money: nothing was bought.
        """
        plugins = [self._plugin(name) for name in sorted(guilty)]
        if stage is Stage.OUTSIDE and self.hook in _SPENDING:
            raise _never_sent(_error(plugins[0], f"{self.hook} {text}")) from cause
        if len(plugins) == 1:
            self._invoker.warn(plugins[0], self.hook, text)
        else:
            others = ", ".join(plugin.entry.origin for plugin in plugins[1:])
            self._invoker.warn(plugins[0], self.hook, f"{text} (or that was {others})")
        if stage is Stage.OUTSIDE:
            self.broken = guilty
            return None
        return self._own_answer()

    def _own_answer(self) -> Any:
        """Return what the provider said, without any wrapper."""
        if self.recorder.error is not None:
            raise self._told(self.recorder.error)
        try:
            return checked(self.hook, self.recorder.value, self.subject.entry.name)
        except WrongResult as wrong:
            raise _error(self.subject, f"{self.hook} {wrong}", "plugin-result") from wrong.__cause__

    def _told(self, error: BaseException) -> ArbError:
        """Return the error to raise for what the provider raised."""
        if isinstance(error, ArbError):
            try:
                check_error(error, self.subject.entry.name)
            except WrongResult as wrong:
                text = f"{self.hook} raised {type(error).__name__} {wrong}"
                return _error(self.subject, text, "plugin-result")
            return error
        broken = _error(self.subject, f"{self.hook} raised {self._invoker.describe(error)}")
        broken.__cause__ = error
        return broken

    def _guilty(self, verdict: str | None) -> frozenset[str]:
        """Return the wrappers to blame: the one found, else all that took part."""
        if verdict in self._around:
            return frozenset({verdict})
        return frozenset(self._around)

    def _plugin(self, name: str) -> PluginHooks:
        return self.subject if name == _PROVIDER else self._around[name]

    def _unavailable(self, text: str) -> ProviderUnavailable:
        summary = f"{self.subject.entry.origin}: {self.hook} {text}"
        hint = "the next command calls it again; --no-plugins and ARB_DISABLE_PROVIDERS avoid it"
        return ProviderUnavailable(summary, code="deadline", hint=hint)


def _loss(hook: str, own: Any, changed: Any) -> str:
    """Say what a wrapper's result would lose of the provider's; empty when nothing."""
    if hook == "arb_provision":
        kept = {instance.id for instance in changed.instances}
        if any(instance.id not in kept for instance in own.instances):
            return "left out machines that were bought"
        if replace(changed, instances=()) != replace(own, instances=()):
            return "changed what the provider needs to find its machines again"
    if hook == "arb_terminate" and changed.gone and not own.gone:
        return "called a machine gone that is not"
    return ""


def _never_sent(error: ArbError) -> ArbError:
    """Mark an error of a call in which the provider was not entered, and never will be."""
    error.never_sent = True
    return error


def _error(plugin: PluginHooks, text: str, code: str = "plugin-error") -> PluginError:
    hint = f"report it to the authors of {plugin.entry.distribution}"
    return PluginError(f"{plugin.entry.origin}: {text}", code=code, hint=hint)
