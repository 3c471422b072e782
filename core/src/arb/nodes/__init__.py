"""Reaching nodes: SSH connections, keys, upload and download, and the agent that runs there.

* One connection: ``ssh`` (a node), ``transport`` (authentication, host key), ``channel`` (a command), ``remote``
  (shell text), ``shell`` (interactive), ``fanout`` (many nodes at once).
* Keys: ``keys`` (ours), ``hostkeys`` (as text), ``sshconfig`` (plain ``ssh NAME``), ``user_data`` (what a machine
  gets at creation), ``ready`` (until it lets us in).
* Files: ``upload``, of what ``tree`` and ``ignore`` choose, as a ``tarstream``; ``download``.
* The agent: ``agent`` is what runs on the node (Python 3.8, standard library), ``agent_build`` packs it,
  ``bootstrap`` brings it there, ``agent_client`` talks to it, ``agent_jobs`` is what it says, ``removal`` takes
  it off.
"""
