//! One client: simple and extended queries, portals, transactions, COPY.

pub mod state;
