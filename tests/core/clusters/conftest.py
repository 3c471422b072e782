"""Sessions over a scriptable cloud. Nodes need no SSH here: bringing them up has its own tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters import bringup
from arb.clusters.launch import Wish, plan_launch, run_launch
from arb.clusters.session import Session
from arb.plugins import Plugins, PluginSettings, PluginTable
from arb.tasks import Task
from arb.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Told:
    """A progress that keeps everything."""

    steps: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def state(self, text: str) -> None:
        self.states.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Site:
    """One home, its clouds, and sessions that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock, shop=[offer("a"), offer("b", 2)])
        self.clouds = [self.cloud]
        self.told = Told()
        self.broken_nodes: list[Exception] = []
        self._sessions: list[Session] = []
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        return self._session or self.new_process()

    def new_process(self) -> Session:
        """Open everything anew; it is the present session from now on."""
        env = {"ARB_HOME": str(self.folder / "arb"), "HOME": str(self.folder)}
        session = Session(env, progress=self.told, clock=self.clock)
        settings = PluginSettings(
            cache_dir=session.home.folder("cache"),
            data_dir=session.home.folder("data"),
            env=env,
            home=self.folder,
            owner=session.store.owner,
            limiter=lambda *_: None,
            clock=self.clock,
        )
        table = PluginTable([cloud.entry() for cloud in self.clouds])
        session.__dict__["plugins"] = Plugins(settings, warn=self.told.warn, table=table)
        self._sessions.append(session)
        self._session = session
        return session

    def launch(self, cluster: str = "train", **task: object):
        """Launch without a job."""
        wish = Wish(Task.model_validate(task), cluster=cluster)
        return run_launch(self.session, plan_launch(self.session, wish))

    def bring_up(self, *_: object) -> None:
        """Stand in for SSH and agents."""
        if self.broken_nodes:
            raise self.broken_nodes.pop(0)

    def close(self) -> None:
        for session in self._sessions:
            session.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(tmp_path)
    monkeypatch.setattr(bringup, "bring_up", made.bring_up)
    yield made
    made.close()
