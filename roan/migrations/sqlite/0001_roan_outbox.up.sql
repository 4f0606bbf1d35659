-- Roan's outbox, schema version 1, for SQLite (3.35 and later).

-- One row for each write that makes pages stale. Programs insert `payload` and nothing else.
CREATE TABLE roan_outbox (
    id integer PRIMARY KEY,
    created_ms integer NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS integer)),
    payload text NOT NULL,
    state integer NOT NULL DEFAULT 0, -- 0 waiting, 1 taken, 2 done, 3 dead, 4 has deliveries, 5 left to another version
    relay integer NOT NULL DEFAULT 0, -- who has taken it, or what the one that left it knew
    ended_ms integer NOT NULL DEFAULT 0,
    error text,
    history text -- how the nodes have answered: lines of JSON
);
CREATE INDEX roan_outbox_state ON roan_outbox (state, ended_ms, id);
CREATE INDEX roan_outbox_dead ON roan_outbox (id) WHERE state = 3;

-- What a node has not answered at the first attempt.
CREATE TABLE roan_delivery (
    id integer PRIMARY KEY,
    purge_id integer NOT NULL, -- the row of roan_outbox
    cache text NOT NULL,
    node text NOT NULL,
    target text NOT NULL,   -- an element of the payload's list, and in `next` what later caches are asked for in its place
    created_ms integer NOT NULL,
    state integer NOT NULL DEFAULT 0, -- 0 waiting, 1 taken, 3 dead
    relay integer NOT NULL DEFAULT 0, -- who has taken it, or, while it waits, what the one that left it knew
    attempts integer NOT NULL DEFAULT 0,
    due_ms integer NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX roan_delivery_state ON roan_delivery (state, cache, node, attempts, id);
CREATE INDEX roan_delivery_purge ON roan_delivery (purge_id);
CREATE INDEX roan_delivery_dead ON roan_delivery (id) WHERE state = 3;

-- The relays at work. One whose beat stands still has died, and what it has taken goes to others.
CREATE TABLE roan_relay (
    id integer PRIMARY KEY,
    beat integer NOT NULL
);

-- The nodes of programs that are at work, and those that nobody purges until they are resumed.
CREATE TABLE roan_node (
    cache text NOT NULL,
    node text NOT NULL,
    seen_ms integer NOT NULL, -- when a program that has the node was at work
    paused_ms integer NOT NULL DEFAULT 0, -- since when it is paused, or 0
    PRIMARY KEY (cache, node)
);

-- The learned index: the pages that caches may have, under each URL that one was asked for.
CREATE TABLE roan_page (
    id integer PRIMARY KEY, -- a hash of `target`
    target text NOT NULL, -- an element of a payload's list
    seen_ms integer NOT NULL -- when it was learned, or learned again
);
CREATE INDEX roan_page_seen ON roan_page (seen_ms, id);

-- What a page carries: tags, and the URL that it is another spelling of.
CREATE TABLE roan_page_key (
    page_key integer NOT NULL, -- a hash
    page_id integer NOT NULL,
    tag text, -- an element of a payload's list, or NULL if the key is not a tag
    PRIMARY KEY (page_key, page_id)
) WITHOUT ROWID;
CREATE INDEX roan_page_key_page ON roan_page_key (page_id);

-- The fence: the last purge of a key.
CREATE TABLE roan_fence (
    page_key integer PRIMARY KEY,
    number integer NOT NULL
);
CREATE INDEX roan_fence_number ON roan_fence (number);

-- One row. Each purge gets the next `number` in the order of the commits, which is no less than the time in ms.
CREATE TABLE roan_epoch (
    id integer PRIMARY KEY,
    number integer NOT NULL,
    forgets integer NOT NULL, -- grows when pages leave the index
    swept integer NOT NULL,   -- purges up to this number are not in `roan_fence` any more
    in_use integer NOT NULL   -- whether a program has ever used index and fence
);
INSERT INTO roan_epoch (id, number, forgets, swept, in_use) VALUES (1, CAST((julianday('now') - 2440587.5) * 86400000 AS integer), 0, 0, 0);

CREATE TABLE roan_schema (version integer NOT NULL);
INSERT INTO roan_schema (version) VALUES (1);
