//! Recording what clients change.
