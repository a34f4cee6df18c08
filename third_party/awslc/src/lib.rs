//! Nothing of ours is here: the crate exists so that cargo fetches and builds AWS-LC.
pub use aws_lc_sys as _;
