"""Commands die at every step of buying and giving back; the cloud's own ledger says what is left.

See CONTRIBUTING.md, "Let it die everywhere".
"""

from __future__ import annotations
