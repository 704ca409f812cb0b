-- Acts of admins within the last two hours of the log, to see who does very much at once.
create table act (
  position integer not null,                 -- of its entry in the log
  admin    text not null,
  at_ms    integer not null,                 -- when it was done, as near as this device knows
  primary key (position, admin)
) strict, without rowid;
