-- Put back from a copy, the log may lack its newest entries: it takes none until the operator says that it is whole.
alter table server add column log_held bigint not null default 0;
