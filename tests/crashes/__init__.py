"""Commands die at every step of buying and giving back; the cloud's own ledger says what is left.

See README.md.
"""

from __future__ import annotations
