"""Schema 1: what launching, running and giving back machines needs."""

from __future__ import annotations

from typing import Final

__all__ = ["STATEMENTS"]

STATEMENTS: Final = (
    """CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    )""",
    """CREATE TABLE clusters (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        num_nodes INTEGER NOT NULL,
        provider TEXT NOT NULL,
        region TEXT NOT NULL,
        task_json TEXT NOT NULL,
        offer_json TEXT NOT NULL,
        autostop_json TEXT NOT NULL,
        ready_at DOUBLE PRECISION,
        gone_at DOUBLE PRECISION,
        detail TEXT NOT NULL
    )""",
    # The promise that two shells launching one name get one cluster.
    "CREATE UNIQUE INDEX clusters_live_name ON clusters (name) WHERE status <> 'gone'",
    """CREATE TABLE attempts (
        id TEXT PRIMARY KEY,
        cluster_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        provider TEXT NOT NULL,
        offer_json TEXT NOT NULL,
        count INTEGER NOT NULL,
        request_json TEXT NOT NULL,
        request_digest TEXT NOT NULL,
        price_usd_hour DOUBLE PRECISION NOT NULL,
        state TEXT NOT NULL,
        handle TEXT NOT NULL,
        account TEXT NOT NULL,
        error_json TEXT NOT NULL,
        opened_at DOUBLE PRECISION NOT NULL,
        closed_at DOUBLE PRECISION,
        UNIQUE (cluster_id, seq)
    )""",
    "CREATE INDEX attempts_open ON attempts (cluster_id) WHERE state NOT IN ('failed', 'closed')",
    """CREATE TABLE machines (
        provider TEXT NOT NULL,
        instance_id TEXT NOT NULL,
        token TEXT NOT NULL,
        attempt_id TEXT NOT NULL,
        cluster_id TEXT NOT NULL,
        rank INTEGER NOT NULL,
        region TEXT NOT NULL,
        zone TEXT NOT NULL,
        instance_type TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        address TEXT NOT NULL,
        private_address TEXT NOT NULL,
        ssh_host TEXT NOT NULL,
        ssh_port INTEGER NOT NULL,
        ssh_user TEXT NOT NULL,
        host_key TEXT NOT NULL,
        host_key_seen INTEGER NOT NULL,
        price_usd_hour DOUBLE PRECISION NOT NULL,
        minimum_s DOUBLE PRECISION NOT NULL,
        spot INTEGER NOT NULL,
        handle TEXT NOT NULL,
        account TEXT NOT NULL,
        made_at DOUBLE PRECISION NOT NULL,
        gone_at DOUBLE PRECISION,
        terminate_after DOUBLE PRECISION,
        terminate_detail TEXT NOT NULL,
        PRIMARY KEY (provider, instance_id)
    )""",
    "CREATE INDEX machines_open ON machines (cluster_id) WHERE state <> 'gone'",
    "CREATE INDEX machines_cluster ON machines (cluster_id)",
    "CREATE INDEX machines_token ON machines (token)",
    """CREATE TABLE events (
        id {SERIAL},
        at DOUBLE PRECISION NOT NULL,
        kind TEXT NOT NULL,
        cluster TEXT NOT NULL,
        attempt TEXT NOT NULL,
        instance TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
    "CREATE INDEX events_cluster ON events (cluster, id)",
    "CREATE INDEX events_kind ON events (kind, id)",
    """CREATE TABLE leases (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        fence BIGINT NOT NULL,
        acquired_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE budgets (
        name TEXT PRIMARY KEY,
        tokens DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE blocks (
        provider TEXT NOT NULL,
        scope TEXT NOT NULL,
        place TEXT NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        code TEXT NOT NULL,
        reason TEXT NOT NULL,
        made_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (provider, scope, place)
    )""",
    # Used with PostgreSQL only: the content is encrypted under ARB_VAULT_KEY.
    """CREATE TABLE vault (
        name TEXT PRIMARY KEY,
        content {BLOB} NOT NULL
    )""",
)
