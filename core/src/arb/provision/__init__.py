"""Buying without leaks: intents, the walk over offers, readiness, and giving back.

A launch, from top to bottom:

* ``order``: what is to be bought, and what was. ``shop``: with what: journal, plugins, vault, clock.
* ``patience``: one walk, or rounds of them with waits between (``waiting``), which repeat no ``news``.
* ``walk``: offer after offer until one ``attempt`` succeeds, or ``exhaustion`` says why none did.
* ``course``: which offer is next. ``blocklist`` knows who refused, ``circumstances`` whether that still
  counts; ``quotes`` asks for live prices, ``lineup`` puts them into order, ``agreement`` asks the user.
* ``attempt``: one purchase. The intent goes to disk (``journal``, ``records``), ``placing`` calls the provider,
  ``ready`` waits for machines. When anything fails ``undo`` takes all of it back.
* ``telling``: what is said of it all, at once and in ``arb why``.

Giving back:

* ``giveback``: ends machines until the provider confirms; ``leaving`` cleans those that live on before,
  ``cleanup`` removes what is not a machine.
* ``adrift``: ends machines of a process that may not, or cannot, write to the state any more.

What the next command does for those that died:

* ``resume``: carries on with what is half bought or half ended; ``lost`` finds what unanswered orders made.
* ``recover``: the state itself was lost: everything is looked for at the providers.
* ``reaper``: what providers list against what is known. ``verdicts`` judges each machine, ``orphans`` are
  written down to be ended, ``sightings`` are news of known machines, ``leftovers`` are no machines,
  ``unused_keys`` are forgotten.
"""
