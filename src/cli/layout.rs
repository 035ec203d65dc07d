//! Flags that say whose migration files these are. Must read no file.

use crate::migrate::{Layout, Options};

/// Whose files the migrations are.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct LayoutFlags {
    /// The tool whose migration files these are, such as sqlx, goose or flyway [default: what the files show]
    #[arg(long, value_name = "TOOL", value_parser = layout, global = true, help_heading = "Project")]
    pub(super) layout: Option<Layout>,
    /// Leave out steps that are programs, such as goose's in Go
    #[arg(long, global = true, help_heading = "Project")]
    pub(super) skip_code: bool,
}

impl LayoutFlags {
    /// What the project says, and what the flags add.
    pub(super) fn options(&self, project: &Options) -> Options {
        Options { skip_code: self.skip_code || project.skip_code, ..project.clone() }
    }
}

fn layout(name: &str) -> Result<Layout, String> {
    Layout::from_name(name).ok_or_else(|| format!("the layouts are: {}", Layout::names()))
}
