"""The commands of the zipapp."""

from __future__ import annotations

import os
import sys

from . import PROTO, VERSION, files, install

USAGE = "usage: arb-agent rpc|serve|keep|boot|install-boot|remove|version"


def main() -> None:
    """Run the command that the arguments name."""
    try:
        _main()
    except OSError as error:  # a full or read-only disk, mostly; the client looks for such a line
        sys.stdout.write(f"\narb: the agent cannot work in ~/.arb: {error.strerror or error}\n")
        sys.stdout.flush()
        raise


def _main() -> None:
    arguments = sys.argv[1:]
    name = arguments[0] if len(arguments) == 1 else ""
    if name == "version":
        sys.stdout.write(f"arb-agent {VERSION} (protocol {PROTO}, {install.digest()})\n")
        return
    files.enter()
    if os.path.isfile(install.own_folder()):
        install.main(install.own_folder(), arguments)
    sys.exit(_run(name))


def _run(name: str) -> int:
    if name == "rpc":
        from . import rpc

        return rpc.main()
    if name == "serve":
        from . import daemon

        return daemon.main()
    if name == "boot":
        from . import keeper

        keeper.start()
        return 0
    if name == "keep":
        from . import keeper

        return keeper.become()
    return _set_up(name)


def _set_up(name: str) -> int:
    if name == "install-boot":
        from . import boot

        return boot.main()
    if name == "remove":
        from . import remove

        return remove.main()
    sys.stderr.write(USAGE + "\n")
    return 2
