//! Compiles the `.proto` files with protox, so that no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let files = protox::compile(
        ["pilaster/agent/v1/agent.proto", "pilaster/admin/v1/admin.proto"],
        ["proto"],
    )?;
    println!("cargo:rerun-if-changed=proto");
    tonic_prost_build::configure()
        .build_transport(false) // both ends dial and accept by hand
        .build_client(std::env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(std::env::var_os("CARGO_FEATURE_SERVER").is_some())
        .compile_fds(files)?;
    Ok(())
}
