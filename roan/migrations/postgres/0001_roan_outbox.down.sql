DROP TABLE roan_schema;
DROP TABLE roan_relay;
DROP TABLE roan_delivery;
DROP TABLE roan_outbox;
