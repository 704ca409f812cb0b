-- Two heads that the server signed and that cannot both be true: nothing is sent until somebody has decided.
create table evidence (
  id           integer primary key autoincrement,
  at_ms        integer not null,
  size         integer not null,             -- the smaller of the two heads
  root         blob not null,
  text         text not null,                -- proto::log::evidence::Evidence
  dismissed_ms integer,                      -- null until a person has said that it is dealt with
  unique (size, root)
) strict;

-- Such a dispute used to stop one conversation. It stops all of them now, or none.
update conversation set state = 'open' where state = 'disputed';
