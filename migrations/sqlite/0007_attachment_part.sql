-- Parts of attached files that are kept in S3, each an object of its own. What stands here is there, and counts.
create table attachment_part (
    attachment_id blob not null,
    at_bytes bigint not null,
    end_bytes bigint not null,
    part_id blob not null,
    primary key (attachment_id, at_bytes)
);
