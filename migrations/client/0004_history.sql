-- Letters from another computer of this person's.

-- The device whose owner's word it is that this letter came; null: it came here by itself.
alter table letter add column imported blob;

-- They stand before those that came here by themselves.
create index letter_place on letter (imported is null, number);
