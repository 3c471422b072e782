"""What must survive a crash: one store of portable SQL on SQLite or PostgreSQL, and the vault.

Nothing is re-exported here, so that a command imports only the tables that it needs.

* ``store`` opens it: ``sqlite`` (not on network ``filesystems``) or ``postgres``; ``migrations`` make the tables,
  ``rows`` writes records into them.
* What there is: ``clusters``; their ``attempts`` (purchases) with ``requests`` as they were sent; ``machines``.
* What happened: ``events``, an append-only log; ``costs`` are computed from it, ``marks`` say how far it was read.
* Between processes: ``leases`` and their ``holders``, ``budgets`` (calls a provider allows), ``blocks`` (refusals).
* ``vault``: what is secret, beside the tables.
"""

from __future__ import annotations
