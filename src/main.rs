//! The `weighbridge` binary: parse, dispatch, exit code. It must hold no logic of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    weighbridge::cli::run(std::env::args_os()).into()
}
