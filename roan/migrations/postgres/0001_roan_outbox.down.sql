DROP TABLE roan_schema;
DROP TABLE roan_epoch;
DROP TABLE roan_fence;
DROP TABLE roan_page_key;
DROP TABLE roan_page;
DROP TABLE roan_relay;
DROP TABLE roan_delivery;
DROP TABLE roan_outbox;
