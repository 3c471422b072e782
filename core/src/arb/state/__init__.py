"""What must survive a crash: one store of portable SQL on SQLite or PostgreSQL, and the vault.

Nothing is re-exported here, so that a command imports only the tables that it needs:
``arb.state.store`` opens the store; ``clusters``, ``attempts``, ``machines``, ``events``,
``costs``, ``leases``, ``budgets`` and ``blocks`` are its tables; ``vault`` holds what is secret.
"""

from __future__ import annotations
