-- Everything that the server keeps. Times are milliseconds since 1970 UTC.
-- Each column has a reason; none holds a word that a person wrote, except names in the log and in asks.

-- One row: which organisation this is, and the last signed head, compared with the replayed log at each start.
create table server (
    server_id bigint not null primary key check (server_id = 1),
    org_id blob not null,
    checkpoint text not null
);

-- The directory log, as appended.
create table log_entry (
    entry_index bigint not null primary key,
    leaf blob not null unique,
    entry blob not null
);

-- The server's half of a login challenge, deleted by whoever uses it.
create table login_nonce (
    nonce blob not null primary key,
    expires_at_ms bigint not null
);

-- Logins, each bound to a device key. The id is no secret.
create table session (
    session_id blob not null primary key,
    device_id blob not null,
    account text not null,
    key_id blob not null,
    created_at_ms bigint not null,
    used_at_ms bigint not null,
    ends_at_ms bigint not null
);

-- The highest signature counter seen of each L credential.
create table credential_counter (
    key_id blob not null primary key,
    counter bigint not null
);

-- Challenges of enrolments, and the asks that answered them. status: 0 no ask yet, 1 waiting, 2 refused, 3 in the log.
create table enrolment (
    enrolment_id blob not null primary key,
    challenge blob not null,
    created_at_ms bigint not null,
    status bigint not null,
    device_id blob,
    ask blob,
    asked_at_ms bigint,
    log_size bigint
);

-- How somebody is added while offline. last_resort: 0 handed out once, 1 again and again.
create table key_package (
    device_id blob not null,
    package_hash blob not null,
    last_resort bigint not null,
    published_at_ms bigint not null,
    package blob not null,
    primary key (device_id, package_hash)
);

-- A conversation: its current epoch and the number of its last message.
create table mls_group (
    group_id blob not null primary key,
    epoch bigint not null,
    sequence bigint not null
);

-- Which device receives which messages: above acked_sequence, up to left_sequence (2^63-1 while a member).
create table member (
    group_id blob not null,
    device_id blob not null,
    acked_sequence bigint not null,
    left_sequence bigint not null,
    primary key (group_id, device_id)
);
create index member_by_device on member (device_id);

-- Ciphertext that some device has not acknowledged. message_id orders a device's groups among each other.
create table message (
    message_id integer primary key,
    group_id blob not null,
    sequence bigint not null,
    submission_id blob not null,
    sender_id blob not null,
    size_bytes bigint not null,
    stored_at_ms bigint not null,
    body blob not null,
    unique (group_id, sequence)
);
create index message_by_age on message (stored_at_ms);

-- What was accepted under which client-chosen id, so that a resent write answers as the first time.
create table submission (
    group_id blob not null,
    submission_id blob not null,
    digest blob not null,
    sequence bigint not null,
    stored_at_ms bigint not null,
    primary key (group_id, submission_id)
);
create index submission_by_age on submission (stored_at_ms);

-- One Welcome for all devices that one commit added.
create table welcome (
    group_id blob not null,
    sequence bigint not null,
    size_bytes bigint not null,
    stored_at_ms bigint not null,
    body blob not null,
    primary key (group_id, sequence)
);

-- The mailbox of Welcomes of each device.
create table invitation (
    device_id blob not null,
    number bigint not null,
    group_id blob not null,
    sequence bigint not null,
    primary key (device_id, number)
);
create index invitation_by_welcome on invitation (group_id, sequence);

-- The last number given in each mailbox: numbers never come back.
create table mailbox (
    device_id blob not null primary key,
    number bigint not null
);
