-- The answers to a letter in its conversation: one that came before it shows that the order was changed.
create index letter_answer on letter (in_reply_to, group_id) where in_reply_to is not null;
