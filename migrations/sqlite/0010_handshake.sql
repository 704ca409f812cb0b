-- Changes of keys outlive letters: without each of them, whoever was away could not open what came last.
alter table message add column handshake bigint not null default 0;
drop index message_by_age;
create index message_by_age on message (handshake, stored_at_ms);
