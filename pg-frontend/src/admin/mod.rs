//! The admin port: metrics, health and the procedure API.
