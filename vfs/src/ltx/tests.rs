//! What holds across the codec's parts.
