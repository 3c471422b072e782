"""Plain ``ssh NAME``: the user's own configuration includes the generated one, as long as wanted."""

from __future__ import annotations

from arb.clusters.sshaccess import publish
from arb.config import write_value


def test_the_users_configuration_includes_the_generated_one_until_that_is_refused(site):
    own = site.folder / ".ssh" / "config"
    own.parent.mkdir(mode=0o700)
    own.write_text("Host mine\n  User me\n")
    publish(site.session)
    assert f'Include "{site.folder}/arb/ssh/config"' in own.read_text()

    write_value(site.session.home.config_file, "ssh_config", "false")
    publish(site.new_process())

    assert own.read_text() == "Host mine\n  User me\n"
    assert site.told.warnings == []


def test_a_configuration_is_not_made_to_take_something_out_of_it(site):
    write_value(site.session.home.config_file, "ssh_config", "false")
    publish(site.session)
    assert not (site.folder / ".ssh").exists()
