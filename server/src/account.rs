//! People on their way into the organisation. Who is in it, the log says.

pub mod enrolment;
