-- From which address block (IPv4 /24, IPv6 /48) an enrolment was begun, so that one block does not take every place.
alter table enrolment add column network text not null default '';
