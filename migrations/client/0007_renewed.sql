-- When this device last had new keys in a conversation: its clock, milliseconds; 0: not known.
alter table conversation add column renewed_ms integer not null default 0;
