-- Roan's outbox, schema version 1, for MySQL (8.0.13 and later) and MariaDB (10.6 and later).

-- One row for each write that makes pages stale. Programs insert `payload` and nothing else.
CREATE TABLE IF NOT EXISTS roan_outbox (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created_ms bigint NOT NULL DEFAULT (CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)),
    payload mediumtext NOT NULL,
    state smallint NOT NULL DEFAULT 0, -- 0 waiting, 1 taken, 2 done, 3 dead, 4 has deliveries, 5 left to another version
    relay bigint NOT NULL DEFAULT 0,   -- who has taken it, or what the one that left it knew
    ended_ms bigint NOT NULL DEFAULT 0,
    error text,
    history mediumtext, -- how the nodes have answered: lines of JSON
    KEY (state, ended_ms, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- What a node has not answered at the first attempt.
CREATE TABLE IF NOT EXISTS roan_delivery (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    purge_id bigint NOT NULL, -- the row of roan_outbox
    cache varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    node varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    target text NOT NULL,  -- an element of the payload's list, and in `next` what later caches are asked for in its place
    created_ms bigint NOT NULL,
    state smallint NOT NULL DEFAULT 0, -- 0 waiting, 1 taken, 3 dead
    relay bigint NOT NULL DEFAULT 0, -- who has taken it, or, while it waits, what the one that left it knew
    attempts bigint NOT NULL DEFAULT 0,
    due_ms bigint NOT NULL DEFAULT 0,
    error text,
    KEY (state, cache, node, attempts, id),
    KEY (purge_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The relays at work. One whose beat stands still has died, and what it has taken goes to others.
CREATE TABLE IF NOT EXISTS roan_relay (
    id bigint NOT NULL PRIMARY KEY,
    beat bigint NOT NULL
) ENGINE = InnoDB;

-- The nodes of programs that are at work, and those that nobody purges until they are resumed.
CREATE TABLE IF NOT EXISTS roan_node (
    cache varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    node varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    seen_ms bigint NOT NULL, -- when a program that has the node was at work
    paused_ms bigint NOT NULL DEFAULT 0, -- since when it is paused, or 0
    PRIMARY KEY (cache, node)
) ENGINE = InnoDB;

-- The learned index: the pages that caches may have, under each URL that one was asked for.
CREATE TABLE IF NOT EXISTS roan_page (
    id bigint NOT NULL PRIMARY KEY, -- a hash of `target`
    target text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- an element of a payload's list
    seen_ms bigint NOT NULL, -- when it was learned, or learned again
    KEY (seen_ms, id)
) ENGINE = InnoDB;

-- What a page carries: tags, and the URL that it is another spelling of.
CREATE TABLE IF NOT EXISTS roan_page_key (
    page_key bigint NOT NULL, -- a hash
    page_id bigint NOT NULL,
    tag text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, -- an element of a payload's list, or NULL if the key is not a tag
    PRIMARY KEY (page_key, page_id),
    KEY (page_id)
) ENGINE = InnoDB;

-- The fence: the last purge of a key.
CREATE TABLE IF NOT EXISTS roan_fence (
    page_key bigint NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    KEY (number)
) ENGINE = InnoDB;

-- One row. Each purge gets the next `number` in the order of the commits, which is no less than the time in ms.
CREATE TABLE IF NOT EXISTS roan_epoch (
    id bigint NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    forgets bigint NOT NULL, -- grows when pages leave the index
    swept bigint NOT NULL,   -- purges up to this number are not in `roan_fence` any more
    in_use smallint NOT NULL   -- whether a program has ever used index and fence
) ENGINE = InnoDB;
INSERT IGNORE INTO roan_epoch (id, number, forgets, swept, in_use) VALUES (1, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 0, 0, 0);

CREATE TABLE IF NOT EXISTS roan_schema (version bigint NOT NULL) ENGINE = InnoDB;
INSERT INTO roan_schema (version) VALUES (1);
