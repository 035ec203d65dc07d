//! What a project is shown that cannot prove anything yet. Must name the next commands, in order.

use crate::cli::exit::Failure;
use crate::diagnostic::{Advice, Message};
use crate::migrate::{Directory, DirectoryError};

const SPEC: &str =
    "weighbridge seed init > dataset.toml        a dataset spec from your schema; edit it, or keep it as it is";

const SCENARIO: &str = "scenario.toml                               the statements that your application sends most:

         name = \"app\"
         [load]
         rate = 50
         [[action]]
         name = \"orders_of_user\"
         sql  = \"SELECT id, total FROM orders WHERE user_id = :user ORDER BY id DESC LIMIT 20\"
         with = { user = \"pick(users.id)\" }
";

const PROOF: &str = "weighbridge prove --spec dataset.toml --scenario scenario.toml --counts-only
                                                 blocks, rows, WAL and plans of single operations; without \
                                                 --counts-only also under load";

/// Refuses a proof without a dataset spec or a scenario, with the steps to the first one. Migrations of a tool that is
/// not read come before them: no step would help.
///
/// # Errors
/// When something is missing.
pub(super) fn check(
    no_spec: bool,
    no_scenario: bool,
    directory: Option<&Result<Directory, DirectoryError>>,
) -> Result<(), Failure> {
    if !no_spec && !no_scenario {
        return Ok(());
    }
    if let Some(Err(
        error @ (DirectoryError::OtherLayout { .. }
        | DirectoryError::Ambiguous { .. }
        | DirectoryError::Refused(_)
        | DirectoryError::Elsewhere { .. }),
    )) = directory
    {
        return Err(Failure::usage(error.message()));
    }
    let what = match (no_spec, no_scenario) {
        (true, true) => "no dataset spec was named, and no scenario",
        (true, false) => "no dataset spec was named",
        _ => "no scenario was named",
    };
    let migrations = match directory {
        Some(Err(error)) => Some(error.message()),
        _ => None,
    };
    let steps = [(no_spec, SPEC), (no_scenario, SCENARIO), (true, PROOF)].into_iter().filter(|(missing, _)| *missing);
    let steps: Vec<String> = steps.zip(1..).map(|((_, step), number)| format!("    {number}. {step}")).collect();
    let steps = steps.join("\n");
    let missing = Message::new(what)
        .help(format!("name them with --spec and --scenario or in weighbridge.toml; the first time:\n{steps}"));
    Err(Failure::usage(match migrations {
        Some(migrations) => migrations.then(missing),
        None => missing,
    }))
}
