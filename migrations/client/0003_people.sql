-- People as this person knows them.

-- How much of the directory log was there when this person last wrote to somebody, or agreed to a change.
create table contact (
  name     text primary key,
  seen     integer not null,                 -- entries: a key that a later one adds is a change
  compared integer                           -- entries, when the words were compared; null before that
) strict;

-- Ids of this person's own keys and devices, as far as this device knows of them.
create table own (
  id blob primary key
) strict, without rowid;

-- This person's own names for keys and devices. They never leave this device.
create table label (
  id    blob primary key,
  label text not null
) strict;
