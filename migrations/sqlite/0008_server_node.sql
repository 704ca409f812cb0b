-- The servers that work on this database, each run of one under an id of its own. drains: an operator wants it
-- to be left alone, before it is stopped.
create table server_node (
    node_id text not null primary key,
    name text not null,
    version text not null,
    started_at_ms bigint not null,
    seen_at_ms bigint not null,
    connections bigint not null,
    streams bigint not null,
    drains bigint not null
);
