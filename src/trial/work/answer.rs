//! What operations answer, and what their writes leave and take away, as far as it must be the same on every side. Must
//! hand on no row: only numbers and checksums.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{Column, Row, TypeInfo};

use crate::evidence::{Answer, CountedAction};
use crate::sql::Shape;

/// Columns of the tables of `before`, by names as the server writes them.
pub(super) type Tables = BTreeMap<String, Vec<String>>;

/// What can be compared of a set, with a name for it, on every side: the answer of each step, and what each table lost
/// and gained.
pub(super) type Comparable = Vec<(String, Vec<Rows>)>;

/// What each side answered in one set, and left and took away in the tables that are there before and after and were
/// looked into.
pub(super) fn comparable(answers: &[Vec<Rows>], tables: &Tables, untraced: &BTreeSet<String>) -> Comparable {
    let of_steps = |side: &Vec<Rows>| side.iter().filter(|rows| rows.of == Of::Answer).count();
    let steps = answers.iter().map(of_steps).min().unwrap_or(0);
    let of_step = |step: usize| answers.iter().map(|side| side[step].clone()).collect();
    let steps = (0..steps).map(|step| (format!("step {step}"), of_step(step)));
    let of_tables = changes_of_tables(answers, tables, untraced).map(|of_sides| {
        let name = match &of_sides[0].of {
            Of::Answer => String::new(),
            Of::Left(table) => format!("left in {table}"),
            Of::Gone(table) => format!("gone from {table}"),
        };
        (name, of_sides)
    });
    let mut all: Comparable = steps.chain(of_tables).collect();
    all.iter_mut().for_each(|(_, of_sides)| even_out(of_sides));
    all
}

/// Adds the answers of all sides to one set, in the columns that all of them have: a migration may add one without
/// changing what was there. Columns in which even the sides without it differ, such as a clock, are left out, and so
/// are those that are known to be unsteady; both are counted. The first side is `before`, that at `control` the
/// control.
pub(super) fn add_answers(
    sides: &mut [Vec<CountedAction>],
    control: usize,
    (action, set): (usize, usize),
    answers: Comparable,
    unsteady: &Unsteady,
) {
    for (name, of_sides) in answers {
        let mut columns = common(&of_sides);
        let columns_gone = (of_sides[0].columns.len() - columns.len()) as u32;
        let all = columns.len();
        columns.retain(|column| !differ(&of_sides, control, column) && !unsteady.has(&name, column));
        let left_out = (all - columns.len()) as u32;
        for (found, rows) in sides.iter_mut().zip(of_sides) {
            if let Some(set) = found[action].sets.get_mut(set) {
                let change = (rows.of != Of::Answer).then(|| name.clone());
                set.answers.push(Answer { left_out, columns_gone, change, ..rows.answer(&columns) });
            }
        }
    }
}

/// Tables that a side did not look into, and those that `before` wrote to and a migration made into something else,
/// which is reported too.
pub(super) fn untraced(
    sides: &mut [Vec<CountedAction>],
    action: usize,
    answers: &[Vec<Vec<Rows>>],
    tables: &Tables,
) -> BTreeSet<String> {
    let written = answers.iter().filter_map(|of_set| of_set.first()).flatten().filter_map(|rows| match &rows.of {
        Of::Left(table) => Some(table),
        Of::Answer | Of::Gone(_) => None,
    });
    let elsewhere = written.filter(|table| !tables.contains_key(*table)).cloned();
    sides[0][action].untraced.extend(elsewhere);
    sides.iter().flat_map(|side| side[action].untraced.clone()).collect()
}

/// Columns of what an action answers and leaves that do not come again without any change: a clock, a random number.
/// One set that shows it stands for all: in another the sides may agree by chance, or a clock turn between them.
#[derive(Default)]
pub(super) struct Unsteady(BTreeMap<String, BTreeSet<String>>);

impl Unsteady {
    fn has(&self, name: &str, column: &String) -> bool {
        self.0.get(name).is_some_and(|columns| columns.contains(column))
    }

    /// Learns from a set in which columns the sides without the migration differ.
    pub(super) fn learn(&mut self, answers: &Comparable, control: usize) {
        for (name, of_sides) in answers {
            let columns = common(of_sides).into_iter().filter(|column| differ(of_sides, control, column));
            self.0.entry(name.clone()).or_default().extend(columns);
        }
    }

    /// Learns from a set that was asked again in which columns `after`, the last side, no longer differs.
    pub(super) fn learn_again(&mut self, first: &Comparable, again: &Comparable) {
        for (name, of_sides) in first {
            let Some((_, again)) = again.iter().find(|(other, _)| other == name) else { continue };
            let last = of_sides.len() - 1;
            let no_longer = |column: &String| differ(of_sides, last, column) && !differ(again, last, column);
            self.0.entry(name.clone()).or_default().extend(common(of_sides).into_iter().filter(no_longer));
        }
    }

    /// Whether `after` differs in a set in a column that is not known to be unsteady.
    pub(super) fn differs(&self, answers: &Comparable) -> bool {
        answers.iter().any(|(name, of_sides)| {
            let steady = |column: &String| !self.has(name, column);
            common(of_sides).iter().any(|column| steady(column) && differ(of_sides, of_sides.len() - 1, column))
        })
    }
}

/// Whether a side holds other values in a column than `before`, the first one.
fn differ(of_sides: &[Rows], side: usize, column: &String) -> bool {
    of_sides[0].values(column) != of_sides[side].values(column)
}

/// Columns that all sides have which have any rows.
fn common(of_sides: &[Rows]) -> Vec<String> {
    let has = |rows: &Rows, column: &String| rows.rows.is_empty() || rows.columns.contains(column);
    of_sides[0].columns.iter().filter(|column| of_sides.iter().all(|rows| has(rows, column))).cloned().collect()
}

/// Gives numbers of columns of floating point that are as near to each other as adding in another order leaves them one
/// text, on every side. What is no finite number is compared as it is.
fn even_out(sides: &mut [Rows]) {
    let columns: BTreeMap<String, f64> = sides.iter().flat_map(|rows| rows.inexact.clone()).collect();
    for (column, share) in columns {
        let mut cells: Vec<(f64, usize, usize, usize)> = Vec::new();
        for (side, rows) in sides.iter().enumerate() {
            let Some(place) = rows.columns.iter().position(|own| *own == column) else { continue };
            let number = |cell: &Option<Vec<u8>>| std::str::from_utf8(cell.as_deref()?).ok()?.parse::<f64>().ok();
            let numbers = rows.rows.iter().enumerate().filter_map(|(row, cells)| Some((number(&cells[place])?, row)));
            cells.extend(numbers.filter(|(n, _)| n.is_finite()).map(|(number, row)| (number, side, row, place)));
        }
        cells.sort_by(|a, b| a.0.total_cmp(&b.0));
        // What adds up to nearly nothing is as far from it as what was added up is large: one at least.
        let near = share * cells.iter().fold(1.0, |most: f64, cell| most.max(cell.0.abs()));
        let mut last = f64::NEG_INFINITY;
        let mut text: Option<Vec<u8>> = None;
        for (number, side, row, place) in cells {
            let cell = &mut sides[side].rows[row][place];
            if number - last <= near {
                cell.clone_from(&text);
            } else {
                text.clone_from(cell);
            }
            last = number;
        }
    }
}

/// For each table that `before` has and any side changed: what each side added to it, and what it took away. A row
/// whose known columns are as they were did not change, whatever a new trigger keeps in a new column; tables of the
/// migration's own are none that an application knew.
fn changes_of_tables<'r>(
    answers: &'r [Vec<Rows>],
    tables: &'r Tables,
    untraced: &'r BTreeSet<String>,
) -> impl Iterator<Item = Vec<Rows>> + 'r {
    let touched = answers.iter().flatten().filter_map(|rows| match &rows.of {
        Of::Answer => None,
        Of::Left(table) | Of::Gone(table) => Some(table),
    });
    let touched: BTreeSet<&String> = touched.filter(|table| !untraced.contains(*table)).collect();
    let known = touched.into_iter().filter_map(|table| Some((table, tables.get(table)?)));
    let changes = known.flat_map(move |(table, columns)| {
        let of = |side: &'r Vec<Rows>, of: Of| side.iter().find(|rows| rows.of == of);
        let pairs: Vec<[Option<&Rows>; 2]> =
            answers.iter().map(|side| [of(side, Of::Left(table.clone())), of(side, Of::Gone(table.clone()))]).collect();
        let mut columns: Vec<String> = columns.iter().map(|column| first_of(column)).collect();
        let has = |rows: &Rows, column: &String| rows.rows.is_empty() || rows.columns.contains(column);
        columns.retain(|column| pairs.iter().flatten().flatten().all(|rows| has(rows, column)));
        let (added, removed): (Vec<Rows>, Vec<Rows>) =
            pairs.into_iter().map(|pair| net(table, pair, &columns)).map(|[added, removed]| (added, removed)).unzip();
        [added, removed]
    });
    changes.filter(|of_sides| of_sides.iter().any(|rows| !rows.rows.is_empty()))
}

/// Rows of a table that are left and were not there, and those that were there and are gone, in these columns.
fn net(table: &str, [left, gone]: [Option<&Rows>; 2], columns: &[String]) -> [Rows; 2] {
    let mut balance: BTreeMap<Vec<Option<Vec<u8>>>, i64> = BTreeMap::new();
    for (rows, by) in [(left, 1), (gone, -1)] {
        rows.into_iter().flat_map(|rows| rows.project(columns)).for_each(|row| *balance.entry(row).or_default() += by);
    }
    let partial = [left, gone].into_iter().flatten().any(|rows| rows.partial);
    let of = |of: Of, sign: i64| {
        let times = |(row, by): (&Vec<Option<Vec<u8>>>, &i64)| {
            std::iter::repeat_n(row.clone(), usize::try_from(by * sign).unwrap_or_default())
        };
        let rows = balance.iter().flat_map(times).collect();
        let inexact = [left, gone].into_iter().flatten().flat_map(|rows| rows.inexact.clone()).collect();
        Rows { of, columns: columns.to_vec(), inexact, rows, partial, total: false }
    };
    [of(Of::Left(table.to_owned()), 1), of(Of::Gone(table.to_owned()), -1)]
}

/// Rows of a result with the names of their columns.
#[derive(Clone)]
pub(super) struct Rows {
    of: Of,
    columns: Vec<String>,
    /// Columns of floating point, and by what share their values may differ.
    inexact: BTreeMap<String, f64>,
    rows: Vec<Vec<Option<Vec<u8>>>>,
    partial: bool,
    total: bool,
}

/// Types of floating point; by what share sums of them may differ for their order, and by what share any may for how it
/// was computed: some times their rounding.
const INEXACT: [(&str, f64, f64); 2] = [("FLOAT4", 1e-4, 1e-6), ("FLOAT8", 1e-10, 1e-13)];

/// Functions that add up.
const ADDING: [&str; 16] = [
    "sum",
    "avg",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "variance",
    "var_pop",
    "var_samp",
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_avgx",
    "regr_avgy",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
];

/// Where rows come from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Of {
    /// A statement gave them.
    Answer,
    /// They are left in a table.
    Left(String),
    /// They are no longer in a table.
    Gone(String),
}

impl Rows {
    /// The rows of what was asked, of which a new plan may choose others (`partial`).
    pub(super) fn new(found: &[PgRow], text: &str, partial: bool) -> Self {
        let adds = |shape: Shape| shape.windows || ADDING.iter().any(|name| shape.calls.contains(*name));
        let adds = Shape::read(text).is_none_or(adds);
        let mut columns: Vec<String> = Vec::new();
        let mut inexact = BTreeMap::new();
        for column in found.first().map_or(&[][..], |row| row.columns()) {
            // Names may come twice: the second is another column.
            let same = |known: &&String| known.split('\0').next() == Some(column.name());
            let nth = columns.iter().filter(same).count();
            let name = format!("{}\0{nth}", column.name());
            if let Some((_, sums, any)) = INEXACT.iter().find(|(kind, ..)| *kind == column.type_info().name()) {
                inexact.insert(name.clone(), if adds { *sums } else { *any });
            }
            columns.push(name);
        }
        let value = |row: &PgRow, column: usize| row.try_get_raw(column).ok()?.as_bytes().ok().map(<[u8]>::to_vec);
        let rows = found.iter().map(|row| (0..row.columns().len()).map(|column| value(row, column)).collect());
        Self { of: Of::Answer, rows: rows.collect(), columns, inexact, partial, total: false }
    }

    /// Rows whose statement says the place of each, where `total`.
    pub(super) fn ordered(self, total: bool) -> Self {
        Self { total, ..self }
    }

    /// Whether it was found that the statement says the place of each row.
    pub(super) fn is_total(&self) -> bool {
        self.total
    }

    /// Columns in which these rows and others hold other values, whatever the order.
    pub(super) fn changed_columns(&self, others: &Self) -> BTreeSet<String> {
        let changed = self.columns.iter().filter(|column| self.values(column) != others.values(column));
        changed.filter_map(|column| column.split('\0').next().map(str::to_owned)).collect()
    }

    /// The same rows, from elsewhere.
    pub(super) fn of(self, of: Of) -> Self {
        Self { of, ..self }
    }

    /// What a column holds, whatever the order of the rows.
    fn values(&self, column: &String) -> Option<Vec<&Option<Vec<u8>>>> {
        let place = self.columns.iter().position(|own| own == column)?;
        let mut values: Vec<_> = self.rows.iter().map(|row| &row[place]).collect();
        values.sort();
        Some(values)
    }

    /// The rows in some of their columns.
    fn project(&self, columns: &[String]) -> impl Iterator<Item = Vec<Option<Vec<u8>>>> {
        let place = |column: &String| self.columns.iter().position(|own| own == column);
        let places: Vec<usize> = columns.iter().filter_map(place).collect();
        self.rows.iter().map(move |row| places.iter().map(|place| row[*place].clone()).collect())
    }

    fn answer(&self, columns: &[String]) -> Answer {
        let places: Vec<usize> =
            columns.iter().filter_map(|column| self.columns.iter().position(|own| own == column)).collect();
        if places.is_empty() && !self.rows.is_empty() {
            return Answer { rows: self.rows.len() as u64, partial: self.partial, ..Answer::default() };
        }
        let (mut sum, mut ordered) = (0_u64, Sha256::new());
        for row in &self.rows {
            let mut hash = Sha256::new();
            for value in places.iter().map(|place| &row[*place]) {
                // The length keeps ("a", "b") and ("ab", "") apart, and NULL from the empty text.
                hash.update(value.as_ref().map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
                hash.update(value.as_deref().unwrap_or_default());
            }
            let digest = hash.finalize();
            sum = sum.wrapping_add(u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes")));
            ordered.update(digest);
        }
        // Rows in a table have no order.
        let ordered = if self.of == Of::Answer { ordered } else { Sha256::new() };
        let ordered: String = ordered.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Answer {
            rows: self.rows.len() as u64,
            checksum: format!("{sum:016x}"),
            ordered,
            partial: self.partial,
            total: false,
            left_out: 0,
            columns_gone: 0,
            change: None,
        }
    }
}

/// The first column of a name: names may come twice.
fn first_of(column: &str) -> String {
    [column, "0"].join("\0")
}

/// Functions that gather rows in whatever order they come.
const GATHERING: [&str; 13] = [
    "any_value",
    "array_agg",
    "json_agg",
    "json_agg_strict",
    "json_arrayagg",
    "json_object_agg",
    "json_objectagg",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_object_agg",
    "mode",
    "string_agg",
    "xmlagg",
];

/// Whether a new plan alone may change the answer: the statement takes a part of what it finds, or gathers rows in
/// whatever order they come. What cannot be parsed may.
pub(super) fn takes_a_part(text: &str) -> bool {
    Shape::read(text).is_none_or(|shape| shape.limits > 0 || shape.fetches || gathers(&shape))
}

fn gathers(shape: &Shape) -> bool {
    shape.offsets
        || shape.windows
        || shape.samples
        || shape.distinct_on
        || shape.array_queries
        || GATHERING.iter().any(|name| shape.calls.contains(*name))
}

/// A statement that sorts what it gives, without how many rows of it are taken; nothing where it does something else
/// besides.
pub(super) fn sorted_part(text: &str) -> Option<String> {
    let shape = Shape::read(text).filter(|shape| !gathers(shape) && !shape.fetches)?;
    let tail = shape.tail.filter(|tail| tail.sorted && !tail.locks)?;
    match tail.limit {
        Some(limit) if shape.limits == 1 => Some(text[..limit.span.start].to_owned()),
        None if shape.limits == 0 => Some(format!("{} ", &text[..tail.end])),
        _ => None,
    }
}

/// A statement that takes the first rows of an order, made to take all that tie with the last of them too; nothing
/// where it does something else besides.
pub(super) fn with_ties(text: &str) -> Option<String> {
    let sorted = sorted_part(text)?;
    let count = Shape::read(text)?.tail?.limit?.count;
    Some(format!("{sorted}FETCH FIRST ({}) ROWS WITH TIES", &text[count]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: Of, columns: &[&str], rows: &[&[&str]]) -> Rows {
        let value = |value: &&str| Some(value.as_bytes().to_vec());
        Rows {
            of,
            columns: columns.iter().map(|column| first_of(column)).collect(),
            inexact: BTreeMap::new(),
            rows: rows.iter().map(|row| row.iter().map(value).collect()).collect(),
            partial: false,
            total: false,
        }
    }

    fn answers(sides: &[Vec<Rows>; 3], tables: &Tables) -> Vec<Vec<Answer>> {
        let one =
            || vec![CountedAction { sets: vec![crate::evidence::CountedSet::default()], ..CountedAction::default() }];
        let mut counted = [one(), one(), one()];
        let untraced = untraced(&mut counted, 0, &[sides.to_vec()], tables);
        add_answers(&mut counted, 1, (0, 0), comparable(sides, tables, &untraced), &Unsteady::default());
        counted.into_iter().map(|mut side| side.remove(0).sets.remove(0).answers).collect()
    }

    #[test]
    fn what_only_one_side_takes_away_is_seen_and_a_new_column_is_no_change() {
        let tables = Tables::from([("users".to_owned(), vec!["id".to_owned(), "name".to_owned()])]);
        let none = Vec::new;
        let gone = vec![
            rows(Of::Left("users".into()), &[], &[]),
            rows(Of::Gone("users".into()), &["id", "name"], &[&["1", "a"]]),
        ];
        let found = answers(&[none(), none(), gone.clone()], &tables);
        let counted: Vec<Vec<u64>> = found.iter().map(|side| side.iter().map(|answer| answer.rows).collect()).collect();
        assert_eq!(counted, [[0], [0], [1]]);
        assert_eq!(
            answers(&[none(), none(), gone], &Tables::new()),
            [vec![], vec![], vec![]],
            "the migration's own table"
        );
        let columns = ["id", "name", "payments"];
        let kept = vec![
            rows(Of::Left("users".into()), &columns, &[&["1", "a", "8"]]),
            rows(Of::Gone("users".into()), &columns, &[&["1", "a", "7"]]),
        ];
        assert_eq!(answers(&[none(), none(), kept], &tables), [vec![], vec![], vec![]]);
    }

    #[test]
    fn what_one_set_shows_to_be_unsteady_is_compared_in_none() {
        let side = |value: &str, clock: &str| vec![rows(Of::Answer, &["v", "at"], &[&[value, clock]])];
        let set = |of: [(&str, &str); 3]| {
            comparable(&of.map(|(value, clock)| side(value, clock)), &Tables::new(), &BTreeSet::new())
        };
        // In the first set the clock turned between the sides without the migration, in the second after both of them.
        let (first, second) = (set([("a", "1"), ("a", "2"), ("a", "2")]), set([("b", "2"), ("b", "2"), ("b", "3")]));
        let mut unsteady = Unsteady::default();
        assert!(unsteady.differs(&second));
        unsteady.learn(&first, 1);
        assert!(!unsteady.differs(&second));
        assert!(unsteady.differs(&set([("b", "2"), ("b", "2"), ("c", "2")])), "the value is steady");
        // With nothing but the second it is asked again, and there it agrees; what differs again is a difference.
        let mut unsteady = Unsteady::default();
        let second = set([("b", "2"), ("b", "2"), ("c", "3")]);
        unsteady.learn_again(&second, &set([("b", "5"), ("b", "5"), ("c", "5")]));
        assert!(!unsteady.differs(&set([("b", "2"), ("b", "2"), ("b", "3")])), "the clock is left out");
        assert!(unsteady.differs(&second), "the value differed again");
        let mut counted = vec![vec![CountedAction { sets: vec![Default::default()], ..Default::default() }]; 3];
        add_answers(&mut counted, 1, (0, 0), second, &unsteady);
        let answer = |side: usize| &counted[side][0].sets[0].answers[0];
        assert_eq!(answer(0).left_out, 1);
        assert!(answer(0).checksum == answer(1).checksum && answer(0).checksum != answer(2).checksum);
    }

    #[test]
    fn a_clock_is_left_out_and_what_stands_beside_it_is_compared() {
        let answer = |clock: &str, amount: &str| vec![rows(Of::Answer, &["at", "amount"], &[&[clock, amount]])];
        let found = answers(&[answer("1", "5"), answer("2", "5"), answer("3", "6")], &Tables::new());
        assert_eq!((found[0][0].left_out, &found[0][0].checksum), (1, &found[1][0].checksum));
        assert_ne!(found[0][0].checksum, found[2][0].checksum);
    }

    #[test]
    fn floating_point_may_differ_by_the_order_of_a_sum_and_by_no_more() {
        let sum = |value: &str, name: &str| {
            let mut rows = rows(Of::Answer, &["sum", "name"], &[&[value, name]]);
            rows.inexact = [(first_of("sum"), 1e-12)].into();
            vec![rows]
        };
        let same = |after: Vec<Rows>| {
            let found = answers(&[sum("0.3", "a"), sum("0.30000000000000004", "a"), after], &Tables::new());
            assert_eq!(found[0][0].checksum, found[1][0].checksum, "the control");
            found[0][0].checksum == found[2][0].checksum
        };
        assert!(same(sum("0.3", "a")));
        assert!(same(sum("0.30000000000000004", "a")));
        assert!(!same(sum("0.3001", "a")));
        assert!(!same(sum("0.3", "b")), "what stands beside it is compared as ever");
    }

    #[test]
    fn what_is_no_number_is_near_none_and_near_numbers_may_change_places() {
        let sums = |values: &[&str]| {
            let cells = values.iter().zip(["a", "b", "c"]).map(|(value, name)| {
                vec![(*value != "NULL").then(|| value.as_bytes().to_vec()), Some(name.as_bytes().to_vec())]
            });
            let mut found = rows(Of::Answer, &["sum", "name"], &[]);
            (found.rows, found.inexact) = (cells.collect(), [(first_of("sum"), 1e-12)].into());
            vec![found]
        };
        let same = |before: &[&str], after: &[&str]| {
            let found = answers(&[sums(before), sums(before), sums(after)], &Tables::new());
            assert_eq!(found[0][0].left_out, 0);
            found[0][0].checksum == found[2][0].checksum
        };
        for (before, after) in
            [("4.2", "NULL"), ("NULL", "4.2"), ("Infinity", "4.2"), ("NaN", "4.2"), ("Infinity", "-Infinity")]
        {
            assert!(!same(&[before], &[after]), "{before} {after}");
        }
        assert!(same(&["NaN", "NULL", "0.3"], &["NaN", "NULL", "0.30000000000000004"]));
        assert!(same(&["0.3", "0.30000000000000004"], &["0.30000000000000004", "0.3"]));
        assert!(same(&["0", "7"], &["1.4e-14", "7"]), "what should have come to nothing");
        assert!(!same(&["5", "7"], &["7", "5"]));
    }

    #[test]
    fn a_column_that_is_gone_is_counted_and_one_that_is_new_is_not() {
        let wide = || vec![rows(Of::Answer, &["id", "name"], &[&["1", "a"]])];
        let narrow = || vec![rows(Of::Answer, &["id"], &[&["1"]])];
        let gone = |found: Vec<Vec<Answer>>| (found[0][0].columns_gone, found[0][0].checksum == found[2][0].checksum);
        assert_eq!(gone(answers(&[wide(), wide(), narrow()], &Tables::new())), (1, true));
        assert_eq!(gone(answers(&[narrow(), narrow(), wide()], &Tables::new())), (0, true));
    }

    #[test]
    fn the_first_rows_of_an_order_can_be_asked_with_their_ties() {
        let text = "SELECT a FROM t WHERE b IN (SELECT 1) ORDER BY a DESC LIMIT 20;";
        let ties = "SELECT a FROM t WHERE b IN (SELECT 1) ORDER BY a DESC FETCH FIRST (20) ROWS WITH TIES";
        assert_eq!(with_ties(text).as_deref(), Some(ties));
        let sorted = "SELECT a FROM t WHERE b IN (SELECT 1) ORDER BY a DESC ";
        assert_eq!(sorted_part(text).as_deref(), Some(sorted));
        assert_eq!(sorted_part(&format!("{};", sorted.trim())).as_deref(), Some(sorted));
        assert_eq!(sorted_part("SELECT a FROM t"), None);
        for other in [
            "SELECT a FROM t LIMIT 2",
            "SELECT a FROM t ORDER BY a LIMIT 2 OFFSET 3",
            "SELECT a FROM t ORDER BY a LIMIT 2 FOR UPDATE",
            "SELECT a FROM (SELECT 1 AS a ORDER BY 1 LIMIT 1) b ORDER BY a",
            "SELECT DISTINCT ON (a) a FROM t ORDER BY a LIMIT 2",
            "SELECT a FROM t ORDER BY a LIMIT ALL",
            "SELECT array_agg(a) FROM t GROUP BY b ORDER BY b LIMIT 2",
            "SELECT ARRAY(SELECT 1) FROM t ORDER BY b LIMIT 2",
            "SELECT a FROM t ORDER BY a LIMIT 2 LIMIT 3",
        ] {
            assert_eq!(with_ties(other), None, "{other}");
        }
        assert!(takes_a_part("SELECT 1 ORDER BY 1 LIMIT 3") && !takes_a_part("SELECT 'limit' AS \"limit\""));
        assert!(!takes_a_part("SELECT DISTINCT a FROM t") && takes_a_part("SELECT FROM FROM"));
        // A column is no function, whatever its name, and a comment behind the count is none of it.
        assert!(!takes_a_part("SELECT string_agg, over FROM t WHERE offset_ = 1"));
        let commented = "SELECT over FROM t ORDER BY over LIMIT 2 -- the first two";
        assert_eq!(with_ties(commented).unwrap(), "SELECT over FROM t ORDER BY over FETCH FIRST (2) ROWS WITH TIES");
    }
}
