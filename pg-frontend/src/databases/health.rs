//! Whether the store is reached, and whether there is space.
