//! Listeners, limits, cancel requests, shutdown.
