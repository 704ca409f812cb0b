-- Since when a key logs in nowhere, because its counter went back: somebody may have a copy of it. 0: never.
alter table credential_counter add column suspended_at_ms bigint not null default 0;
