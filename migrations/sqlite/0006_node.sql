-- What several servers on one database must know of each other.

-- Every signed request that any of them has let in, by a hash, until its signature is too old to come again.
create table request (
    request_id blob not null primary key,
    expires_at_ms bigint not null
);
create index request_by_age on request (expires_at_ms);

-- What they count together: how often one address or account does something. A row is gone when it is full again.
create table bucket (
    bucket_id blob not null primary key,
    full_at_ms bigint not null
);
create index bucket_by_age on bucket (full_at_ms);
