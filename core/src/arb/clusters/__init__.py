"""Clusters: launch, exec, queue, logs, ssh, status, cost and down, without any printing.

* ``session``: one process's view of everything; every function here takes it as its first argument.
* Launching: ``launch`` uses a cluster (``fit``) or buys one: ``catalog`` and ``prices`` read and rank offers
  (``near``: where clients are; ``nothing``: why there are none), ``orders`` and ``buying`` hand them to the walk,
  ``bringup`` makes nodes of machines, ``jobs`` hands the task over, ``ending`` lets nodes end themselves.
* While it is up: ``execute``, ``logs``, ``nodes`` (connections and agents), ``sshaccess``, ``refresh`` (what is
  still there), ``status``.
* The end: ``down``, ``reaping`` (what nobody asked for), ``forgetting`` (what cannot be ended).
* Reports: ``why`` for the user, ``announce`` for plugins; ``check`` says which credentials work.
* Shared: ``settings`` (refuses wrong ones), ``names``, ``lock`` (one process per cluster), ``limits`` (rate
  budgets without a state store), ``ownkeys`` (private keys stay on this computer).
"""
