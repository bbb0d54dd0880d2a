//! `coordctl schema`: what a spec may say, for editors.

use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::spec;

/// Prints the JSON Schema of a spec, for editors
///
/// Needs no coordinator. For an editor with yaml-language-server: coordctl schema >
/// pilaster.schema.json, and as the first line of the spec: # yaml-language-server:
/// $schema=pilaster.schema.json
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {}

/// Prints it.
pub(super) fn run(Args {}: Args) -> Result<Exit, Failure> {
    let _ = output::json(&spec::schema()); // whoever closed the pipe has seen enough
    Ok(Exit::Done)
}
