-- Roan's outbox, schema version 1, for SQLite (3.35 and later).

-- One row for each write that makes pages stale. Programs insert `payload` and nothing else.
CREATE TABLE roan_outbox (
    id integer PRIMARY KEY,
    created_ms integer NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS integer)),
    payload text NOT NULL,
    state integer NOT NULL DEFAULT 0, -- 0 waiting, 1 taken, 2 done, 3 dead, 4 has deliveries, 5 left to another version
    relay integer NOT NULL DEFAULT 0, -- who has taken it, or what the one that left it knew
    ended_ms integer NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX roan_outbox_state ON roan_outbox (state, ended_ms, id);

-- What a node has not answered at the first attempt.
CREATE TABLE roan_delivery (
    id integer PRIMARY KEY,
    purge_id integer NOT NULL, -- the row of roan_outbox
    cache text NOT NULL,
    node text NOT NULL,
    target text NOT NULL,   -- an element of the payload's list
    created_ms integer NOT NULL,
    state integer NOT NULL DEFAULT 0, -- 0 waiting, 1 taken, 3 dead
    relay integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    due_ms integer NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX roan_delivery_state ON roan_delivery (state, cache, node, attempts, id);
CREATE INDEX roan_delivery_purge ON roan_delivery (purge_id);

-- The relays at work. One whose beat stands still has died, and what it has taken goes to others.
CREATE TABLE roan_relay (
    id integer PRIMARY KEY,
    beat integer NOT NULL
);

CREATE TABLE roan_schema (version integer NOT NULL);
INSERT INTO roan_schema (version) VALUES (1);
