//! Fetched for its .proto files; never compiled.
