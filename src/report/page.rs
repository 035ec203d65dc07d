//! Where a report is printed: how wide, in which colours, in which characters. Must break no line in the middle of a
//! value.

use std::borrow::Cow;

use crate::compare::Verdict;

/// The width of a report whose reader's is not known, in columns.
pub const WIDTH: usize = 100;

/// Narrower pages are written as if they had this width, in columns.
const MIN_WIDTH: usize = 60;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Whether verdicts are coloured, in ANSI escapes.
    pub is_coloured: bool,
    /// Whether only ASCII may be printed.
    pub is_ascii: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self { width: WIDTH, is_coloured: false, is_ascii: false }
    }
}

impl Page {
    /// Columns that a report may fill.
    pub(super) fn columns(&self) -> usize {
        self.width.max(MIN_WIDTH)
    }

    /// A text in the characters that the page has.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.is_ascii || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let plain = |c: char| match c {
            '→' => "->".to_owned(),
            '−' | '–' => "-".to_owned(),
            '±' => "+-".to_owned(),
            '…' => "...".to_owned(),
            '·' => "|".to_owned(),
            '×' => "x".to_owned(),
            'µ' => "u".to_owned(),
            other if other.is_ascii() => other.to_string(),
            other => other.escape_unicode().to_string(),
        };
        Cow::Owned(text.chars().map(plain).collect())
    }

    /// A word in the colour of a verdict.
    pub(super) fn verdict(&self, verdict: Verdict, word: &str) -> String {
        if !self.is_coloured {
            return word.to_owned();
        }
        let colour = match verdict {
            Verdict::Improved => "32",
            Verdict::Regressed => "31",
            Verdict::Invalid => "35",
            Verdict::Inconclusive => "33",
            Verdict::Same => "0",
        };
        format!("\u{1b}[1;{colour}m{word}\u{1b}[0m")
    }

    /// Items joined by ` · ` behind a label, on as many lines as they need. A line ends between items, or between the
    /// words of an item that is wider than the page.
    pub fn labelled(&self, label: &str, items: &[String]) -> Vec<String> {
        const INDENT: usize = 12;
        let label = |number: usize| if number == 0 { label } else { "" };
        let lines = joined(items, self.columns() - INDENT);
        lines.iter().enumerate().map(|(number, line)| format!("  {:<10}{line}", label(number))).collect()
    }

    /// The same without a label, indented by two columns.
    pub(super) fn items(&self, items: &[String]) -> Vec<String> {
        joined(items, self.columns() - 2).into_iter().map(|line| format!("  {line}")).collect()
    }

    /// A text in lines that end between words, indented by two columns.
    pub(super) fn wrapped(&self, text: &str) -> Vec<String> {
        broken(text, self.columns() - 2).into_iter().map(|line| format!("  {line}")).collect()
    }
}

/// Items joined by ` · ` in lines of at most this many columns.
pub(super) fn joined(items: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if columns(line) + 3 + columns(item) <= room => {
                line.push_str(" · ");
                line.push_str(item);
            }
            _ => lines.extend(broken(item, room)),
        }
    }
    lines
}

/// A text in lines of at most this many columns that end between words; a longer word is cut.
pub(super) fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').map(|word| cut(word, room)) {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Columns that a text fills: what reports print has one a character.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A text, cut to this many columns.
pub(super) fn cut(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// A table whose least important columns are left out where the page is too narrow; names in the first column are cut
/// last.
pub(super) struct Grid {
    /// What stands over each column.
    pub(super) header: Vec<&'static str>,
    /// Whether a column's cells stand to the right.
    pub(super) to_the_right: Vec<bool>,
    /// Columns by position, the first to be left out first.
    pub(super) least_important: Vec<usize>,
    /// The cells.
    pub(super) rows: Vec<Vec<String>>,
}

impl Grid {
    /// The lines of the table, indented by two columns; `style` may colour the last cell of a row, which fills no more
    /// columns for it.
    pub(super) fn lines(mut self, page: &Page, style: impl Fn(usize, &str) -> String) -> Vec<String> {
        let most = page.columns() - 2;
        let width = |grid: &Self| grid.widths().iter().map(|width| width + 2).sum::<usize>() - 2;
        for position in std::mem::take(&mut self.least_important) {
            if width(&self) <= most {
                break;
            }
            self.header[position] = "";
            self.rows.iter_mut().for_each(|row| row[position].clear());
        }
        let over = width(&self).saturating_sub(most);
        let room = self.widths()[0].saturating_sub(over).max(8);
        self.rows.iter_mut().for_each(|row| row[0] = cut(&row[0], room));
        let widths = self.widths();
        let header: Vec<String> = self.header.iter().map(|text| (*text).to_owned()).collect();
        let line = |cells: &[String], row: Option<usize>| {
            let mut line = String::from(" ");
            for (position, (cell, width)) in cells.iter().zip(&widths).enumerate().filter(|(_, (_, width))| **width > 0)
            {
                let gap = " ".repeat(width - columns(cell));
                let cell = match row.filter(|_| position + 1 == cells.len()) {
                    Some(row) => style(row, cell),
                    None => cell.clone(),
                };
                line.push_str(if position == 0 { " " } else { "  " });
                line.push_str(&if self.to_the_right[position] {
                    format!("{gap}{cell}")
                } else {
                    format!("{cell}{gap}")
                });
            }
            line.trim_end().to_owned()
        };
        let rows = self.rows.iter().enumerate().map(|(number, row)| line(row, Some(number)));
        std::iter::once(line(&header, None)).chain(rows).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let of = |position: usize| {
            let cells = self.rows.iter().map(|row| columns(&row[position]));
            let most = cells.max().unwrap_or(0);
            if most == 0 { 0 } else { most.max(columns(self.header[position])) }
        };
        (0..self.header.len()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_fill_lines_and_none_is_wider_than_the_page() {
        let page = Page { width: 60, ..Page::default() };
        let items = ["a".repeat(30), "b".repeat(14), format!("{} {}", "c".repeat(40), "d".repeat(90))];
        let lines = page.labelled("cost", &items);
        assert_eq!(lines[0], format!("  cost      {} · {}", items[0], items[1]));
        assert_eq!(lines[1].trim(), "c".repeat(40));
        assert!(lines.iter().all(|line| columns(line) <= 60) && lines[2].ends_with('…'), "{lines:?}");
    }

    #[test]
    fn a_narrow_table_leaves_out_what_matters_least_and_cuts_names_last() {
        let grid = |width: usize| {
            let row = |name: &str| vec![name.to_owned(), "x".repeat(30), "y".repeat(30), "same".to_owned()];
            let grid = Grid {
                header: vec!["action", "latency", "work", "verdict"],
                to_the_right: vec![false, true, false, false],
                least_important: vec![2, 1],
                rows: vec![row("an_action_with_a_name_that_is_long"), row("b")],
            };
            grid.lines(&Page { width, ..Page::default() }, |_, cell| cell.to_owned())
        };
        assert!(grid(160)[0].contains("work") && grid(160)[1].contains("name_that_is_long"));
        assert!(!grid(100)[0].contains("work") && grid(100)[0].contains("latency"), "{:?}", grid(100));
        for width in [60, 80, 100, 160] {
            assert!(grid(width).iter().all(|line| columns(line) <= width), "{:?}", grid(width));
        }
    }

    #[test]
    fn a_page_of_ascii_has_nothing_else() {
        let page = Page { is_ascii: true, ..Page::default() };
        assert_eq!(page.text("−50 % [−56 … −43] ±6 · 1 → 2 µs"), "-50 % [-56 ... -43] +-6 | 1 -> 2 us");
        assert_eq!(page.text("ü"), "\\u{fc}");
    }
}
