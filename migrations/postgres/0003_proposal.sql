-- Acts that wait for more admins: the statement under one admin's signature, one row an admin. No row has any power.
create table proposal (
    proposal_id bytea not null,
    account text not null,
    proposed_at_ms bigint not null,
    entry bytea not null,
    primary key (proposal_id, account)
);
