-- The client's store. Every page of it is encrypted, the full-text index and the write-ahead log included.
-- MLS state lives in tables of its own (openmls_*), in the same database and so in the same transactions.

create table setting (
  name  text primary key,
  value blob not null
) strict;

-- The directory log as this device verified it: entry by entry, never rewritten.
create table log_entry (
  position integer primary key,
  entry    blob not null
) strict;

create table conversation (
  group_id       blob primary key,
  record         blob not null,              -- canonical proto::conversation::Conversation
  accounts       text not null,              -- the same accounts, sorted, one space between
  state          text not null check (state in ('creating', 'open', 'disputed', 'closed')),
  joined         integer not null,           -- the message of the group with which this device came in
  cursor         integer not null,           -- last message of the group that is durable here
  sent           integer not null default 0, -- letters that this device has sent here
  sent_hash      blob not null               -- hash of the last of them, zero before the first
) strict;
create index conversation_accounts on conversation (accounts, state);

-- What every other device has sent, so that gaps and repetitions show.
create table sender (
  group_id blob not null,
  device   blob not null,
  sequence integer not null,
  hash     blob not null,
  primary key (group_id, device)
) strict, without rowid;

create table letter (
  number      integer primary key autoincrement,
  letter_id   blob not null unique,
  group_id    blob,                          -- null while it waits for its conversation
  thread_id   blob not null,
  in_reply_to blob,
  sender      text not null,
  device      blob not null,
  date_ms     integer not null,              -- the writer's clock
  here_ms     integer not null,              -- this device's clock, when it became durable here
  subject     text not null,
  recipients  text not null,                 -- To, space-separated
  copies      text not null,                 -- Cc, space-separated
  body        text not null,
  format      integer not null,
  attachments blob not null,                 -- canonical list of proto::letter::Attachment
  outgoing    integer not null,              -- 1: written on this device
  unread      integer not null,
  remark      text not null                  -- what the reader must know about it; empty as a rule
) strict;
create index letter_thread on letter (thread_id, number);
create index letter_unread on letter (unread, number) where unread = 1;

create virtual table letter_text using fts5 (
  subject, body, people, content = '', contentless_delete = 1,
  tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);

-- Letters on their way. message is null until the letter is encrypted for an epoch.
create table outbox (
  number     integer primary key references letter (number),
  submission blob not null unique,
  group_id   blob,
  epoch      integer,
  hash       blob,
  message    blob
) strict;

-- Letters that the server took and has not given back in their place yet.
create table echo (
  submission blob primary key
) strict, without rowid;

-- A commit that this device proposed and that the server has not been heard about. One a group.
create table proposed_commit (
  group_id   blob primary key,
  submission blob not null unique,
  epoch      integer not null,
  body       blob not null                   -- canonical api::delivery::Commit
) strict;

-- What went wrong or changed, for `valise events`.
create table event (
  id     integer primary key autoincrement,
  at_ms  integer not null,
  kind   text not null,
  alarm  integer not null,                   -- 1: a trust failure
  detail text not null
) strict;
