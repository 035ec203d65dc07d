//! What decided the content of a column, as data: `seed explain` and `seed --dry-run` put it into words. Must hold data
//! and no words.

/// What says what a column holds and how common it is, the strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A scenario of the project compares the column with these values.
    Compared {
        /// As SQL has them, without quotes.
        values: Vec<String>,
    },
    /// A CHECK of the table or of a domain.
    Check {
        /// The constraint's name.
        constraint: String,
    },
    /// The labels of an enum.
    Enum,
    /// The bounds of partitions.
    Partitions,
    /// The WHERE of a partial index.
    Predicate {
        /// The index's name.
        index: String,
        /// Its WHERE, as SQL.
        predicate: String,
        /// A unique one: it names the live part.
        unique: bool,
    },
    /// The column's default: where rows begin.
    Default {
        /// As SQL has it.
        value: String,
    },
    /// A status or a flag of the same row decides it.
    Agrees {
        /// The column.
        column: String,
    },
    /// It follows another moment of the row.
    After {
        /// The column.
        column: String,
    },
    /// It happened before another moment of the row, its last change.
    Before {
        /// The column.
        column: String,
    },
    /// Its name says that it adds up rows of another table.
    AddsUp {
        /// The table.
        table: String,
    },
    /// It is a copy of a column of the row that a foreign key leads to.
    Copies {
        /// The way there, such as `product_id.price`.
        path: String,
    },
    /// A word of the column's name.
    Name {
        /// What the name was taken to say.
        says: Said,
    },
    /// Nothing.
    Guess,
}

/// What a name was taken to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// An exception or an end, which few rows have.
    End,
    /// A state, of which some are common.
    State,
    /// A flag that is set for most rows.
    Common,
}

impl Evidence {
    /// Whether nothing but a name, or nothing at all, says so.
    #[must_use]
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::Name { .. } | Self::Guess | Self::Default { .. } | Self::Predicate { .. } | Self::Enum)
    }
}
