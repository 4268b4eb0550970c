//! Settings: `config.yaml`, environment, flags.
