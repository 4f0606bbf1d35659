//! Examples of roan; run one with `cargo run --example NAME`.
