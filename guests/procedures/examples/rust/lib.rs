//! The examples are beside this file; each is a module of its own.
