//! What to type for a feature that this build leaves out.

/// What a message says of something that needs a feature. The command is built from a clone; a program names the feature in
/// its dependency.
pub(crate) fn needs(feature: &str) -> String {
    let is_command = cfg!(feature = "cli");
    format!(
        "needs the feature `{feature}` of the crate `roan`: {}",
        how_to_enable(feature, is_command)
    )
}

fn how_to_enable(feature: &str, is_command: bool) -> String {
    match is_command {
        true => {
            format!("build the command by `cargo install --path roan --features cli,{feature}`")
        }
        false => format!("write `features = [\"{feature}\"]` at `roan` in Cargo.toml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_and_a_program_are_built_in_different_ways() {
        let command = "build the command by `cargo install --path roan --features cli,cdn`";
        assert_eq!(how_to_enable("cdn", true), command);
        let program = "write `features = [\"cdn\"]` at `roan` in Cargo.toml";
        assert_eq!(how_to_enable("cdn", false), program);
        let expected = if cfg!(feature = "cli") {
            command
        } else {
            program
        };
        assert_eq!(
            needs("cdn"),
            format!("needs the feature `cdn` of the crate `roan`: {expected}")
        );
    }
}
