//! Messages, startup, authentication, TLS.
