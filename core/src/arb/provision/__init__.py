"""Buying without leaks: intents, the walk over offers, readiness, and giving back.

A launch, from top to bottom:

* ``order``: what to buy, and what was bought. ``shop``: what that needs: journal, plugins, vault, clock.
* ``patience``: one walk, or several rounds with waits between them (``waiting``), which repeat no ``news``.
* ``walk``: offer after offer until one ``attempt`` succeeds, or ``exhaustion`` says why none did.
* ``course``: which offer is next. ``blocklist`` knows who refused, ``circumstances`` whether that still
  counts; ``quotes`` asks for live prices, ``lineup`` sorts by them, ``agreement`` asks the user.
* ``attempt``: one purchase. The intent goes to disk (``journal``, ``records``), ``placing`` calls the provider,
  ``ready`` waits for machines. If anything fails, ``undo`` takes all of it back.
* ``telling``: reports each step, at once and in ``arb why``.

Giving back:

* ``giveback``: asks until the provider confirms the end; ``leaving`` first cleans machines that live on,
  ``cleanup`` removes what is not a machine.
* ``adrift``: ends machines of a process that may not, or cannot, write to the state any more.

What the next command does for commands that died:

* ``resume``: carries on with what is half bought or half ended; ``lost`` finds what unanswered orders made.
* ``recover``: if the state itself was lost, looks for everything at the providers.
* ``reaper``: compares what providers list with what is known. ``verdicts`` judges each machine, ``orphans``
  records those to be ended, ``sightings`` updates known machines, ``leftovers`` finds what is not a machine,
  ``unused_keys`` forgets keys.
"""
