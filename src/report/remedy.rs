//! What to do about a finding, in words. Must name the flag, the key or the statement.

use super::words::bare;
use crate::compare::finding::Remedy;

/// The remedy as an instruction.
pub(super) fn text(remedy: &Remedy) -> String {
    let turns =
        |in_blocks: bool| if in_blocks { "a longer --slice" } else { "--interleave block, or a longer --slice" };
    match remedy {
        Remedy::LowerRate => "lower the scenario's rate".to_owned(),
        Remedy::MoreDriverThreads => "lower the rate, or raise --threads".to_owned(),
        Remedy::GiveRate => "give the scenario a `rate` to compare at the same load".to_owned(),
        Remedy::QuietMachine => "measure again on a machine that does nothing else, or lower the rate".to_owned(),
        Remedy::OwnServer => "measure again on a server of its own, or for longer".to_owned(),
        Remedy::RaiseCpuLimit => "raise the container's CPU limit, or lower the rate".to_owned(),
        Remedy::MoreChunks => "measure for longer (--chunks)".to_owned(),
        Remedy::OrderByUniqueKey => "order the statement by a unique key".to_owned(),
        Remedy::LongerTurns { in_blocks } => format!("try {}", turns(*in_blocks)),
        Remedy::MoreSharedBuffers { in_blocks } => format!("raise shared_buffers, or try {}", turns(*in_blocks)),
        Remedy::RunSql { sql } => sql.clone(),
        Remedy::SecondBefore => "give a second --before".to_owned(),
        Remedy::VacuumSides => "VACUUM (ANALYZE) all sides, or make them clones of one database".to_owned(),
        Remedy::TscClock => "use the tsc clock source, if this virtual machine may".to_owned(),
        Remedy::NameRole => "name the application's role with --role, or role = \"…\" under [proof]".to_owned(),
        Remedy::NameValues { table, column } => {
            let table = bare(table);
            format!(
                "name the values in the dataset spec: [table.{table}] {column} = \"weights(…)\"; `weighbridge seed \
                 explain {table}.{column}` prints why it holds what it holds"
            )
        }
        Remedy::ReportBug => "please report this".to_owned(),
        Remedy::RaiseRateOrWeight => "raise the rate or the action's weight".to_owned(),
        Remedy::RaiseWeightOrMargin => {
            "raise the action's weight or its margin, for this machine is near its limit already".to_owned()
        }
        Remedy::LowerRateOrMoreProcessors => "lower the rate, or measure on more processors".to_owned(),
    }
}
