-- Ciphertext of attached files that waits in the spool folder for the server, until its letter has gone.
create table upload (
  number        integer not null references outbox (number) on delete cascade,
  attachment_id blob not null,
  size          integer not null,            -- bytes
  primary key (number, attachment_id)
) strict, without rowid;
