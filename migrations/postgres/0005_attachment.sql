-- Attached files: ciphertext in a folder beside the database. Whole once stored_bytes is size_bytes, which is
-- on disk. changed_at_ms: when the last of them came. account and device_id: whose quota it is, who may go on.
create table attachment (
    attachment_id bytea not null primary key,
    account text not null,
    device_id bytea not null,
    size_bytes bigint not null,
    stored_bytes bigint not null,
    changed_at_ms bigint not null
);
create index attachment_by_account on attachment (account);
create index attachment_by_age on attachment (changed_at_ms);
