//! Lists and records: one description, three forms.

use std::num::NonZeroUsize;

use anstyle::Style;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{Look, to_json};
use crate::{cli::error::CommandError, config::Format, safe::Safe};

/// Between two columns.
const GAP: &str = "  ";

/// The narrowest that a truncated column gets.
const FLEXIBLE_MIN: usize = 8;

/// How much of an id people see.
const ID_COLUMNS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8);

/// One value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Nothing. In JSON `null`.
    Empty,
    /// Yes or no: `●` or nothing in a table, `yes` or `no` in a record, `true` or `false` for
    /// programs.
    Flag(bool),
    /// An id: its beginning for people, all of it for programs.
    Id(Safe),
    /// Several things: commas between them, in JSON an array.
    List(Vec<Safe>),
    /// A number, to the right.
    Number(u64),
    /// Text.
    Text(Safe),
    /// Milliseconds since 1970 UTC: local time for people, RFC 3339 in UTC for programs.
    Time(u64),
}

impl<T: Into<Safe>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl Cell {
    /// How many.
    pub fn count(count: usize) -> Self {
        Self::Number(u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn show(&self, look: &Look) -> Safe {
        let human = look.format == Format::Human;
        match self {
            Self::Empty => Safe::default(),
            Self::Flag(on) if human => if *on { "●" } else { "" }.into(),
            Self::Flag(on) => if *on { "true" } else { "false" }.into(),
            Self::Id(id) if human => id.truncate(ID_COLUMNS),
            Self::Id(id) => id.to_line(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Safe::as_str).collect();
                Safe::line(&items.join(if human { ", " } else { "," }))
            }
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.clone(),
            Self::Time(at_ms) => look.time(*at_ms),
        }
    }
}

/// A column: its name is the heading for people and the key in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Column {
    name: &'static str,
    flexible: bool,
}

impl Column {
    /// A column. Names are lower case with `_` between words.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            flexible: false,
        }
    }

    /// The one column that is cut when the line does not fit the terminal.
    pub fn flexible(name: &'static str) -> Self {
        Self {
            name,
            flexible: true,
        }
    }
}

/// One line of a table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Row {
    cells: Vec<Cell>,
    bold: bool,
}

impl Row {
    /// A line with one cell for each column.
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        Self {
            cells: cells.into_iter().collect(),
            bold: false,
        }
    }

    /// Stands out, if `bold`. A cell must say the same: colour is never alone.
    #[must_use]
    pub fn bold(mut self, bold: bool) -> Self {
        self.bold = bold;
        self
    }
}

/// A list of things of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// An empty list with these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a line.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Whether there is no line in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn render(&self, look: &Look) -> Result<String, CommandError> {
        match look.format {
            Format::Human => Ok(self.columns(look)),
            Format::Plain => Ok(self.fields(look)),
            Format::Json => {
                let mut out = String::new();
                for row in &self.rows {
                    let names = self.columns.iter().map(|column| column.name);
                    let object = Object {
                        fields: names.zip(&row.cells).collect(),
                        look,
                    };
                    out.push_str(to_json(&object)?.as_str());
                    out.push('\n');
                }
                Ok(out)
            }
        }
    }

    fn fields(&self, look: &Look) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let fields: Vec<_> = row
                .cells
                .iter()
                .map(|cell| cell.show(look).to_line().to_string())
                .collect();
            out.push_str(&fields.join("\t"));
            out.push('\n');
        }
        out
    }

    fn columns(&self, look: &Look) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let heading = self
            .columns
            .iter()
            .map(|column| Safe::line(&column.name.replace('_', " ").to_uppercase()));
        let mut lines: Vec<Vec<Safe>> = vec![heading.collect()];
        for row in &self.rows {
            lines.push(
                row.cells
                    .iter()
                    .map(|cell| cell.show(look).to_line())
                    .collect(),
            );
        }
        let widths = self.widths(&lines, look.columns);
        let styles = self.rows.iter().map(|row| {
            if row.bold {
                Style::new().bold()
            } else {
                Style::new()
            }
        });
        let styles = std::iter::once(Style::new().dimmed()).chain(styles);
        let numbers: Vec<bool> = (0..self.columns.len())
            .map(|index| {
                self.rows
                    .iter()
                    .any(|row| matches!(row.cells.get(index), Some(Cell::Number(_))))
            })
            .collect();
        let mut out = String::new();
        for (line, style) in lines.iter().zip(styles) {
            let mut text = String::new();
            for ((cell, width), number) in line.iter().zip(&widths).zip(&numbers) {
                let cell =
                    NonZeroUsize::new(*width).map_or_else(Safe::default, |w| cell.truncate(w));
                let padding = " ".repeat(width.saturating_sub(cell.width()));
                let (before, after) = if *number {
                    (&*padding, "")
                } else {
                    ("", &*padding)
                };
                text.extend([before, cell.as_str(), after, GAP]);
            }
            out.push_str(&look.paint(style, text.trim_end()));
            out.push('\n');
        }
        out
    }

    /// The width of each column: that of its widest cell, but the flexible one yields.
    fn widths(&self, lines: &[Vec<Safe>], room: Option<NonZeroUsize>) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|index| {
                let cells = lines.iter().filter_map(|line| line.get(index));
                cells.map(Safe::width).max().unwrap_or(0)
            })
            .collect();
        let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let excess = room.map_or(0, |room| total.saturating_sub(room.get()));
        if let Some((_, width)) = self
            .columns
            .iter()
            .zip(&mut widths)
            .find(|(column, _)| column.flexible)
        {
            *width = (*width).min(width.saturating_sub(excess).max(FLEXIBLE_MIN));
        }
        widths
    }
}

/// One thing with named parts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    fields: Vec<(&'static str, Cell)>,
}

impl Record {
    /// A thing without parts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part. Names are lower case with `_` between words; people see a space.
    #[must_use]
    pub fn with(mut self, name: &'static str, cell: impl Into<Cell>) -> Self {
        self.fields.push((name, cell.into()));
        self
    }

    pub(super) fn render(&self, look: &Look) -> Result<String, CommandError> {
        let widest = self.fields.iter().map(|(name, _)| name.len()).max();
        let widest = widest.unwrap_or(0);
        let mut out = String::new();
        match look.format {
            Format::Human => {
                for (name, cell) in &self.fields {
                    let mut head = name.replace('_', " ");
                    let value = match cell {
                        Cell::Flag(on) => if *on { "yes" } else { "no" }.into(),
                        Cell::List(items) if items.is_empty() => "none".into(),
                        _ => cell.show(look),
                    };
                    for line in value.as_str().split('\n') {
                        let gap = widest - head.len() + GAP.len();
                        let label = look.paint(Style::new().dimmed(), &head);
                        let text = format!("{label}{:gap$}{line}", "");
                        out.push_str(text.trim_end());
                        out.push('\n');
                        head.clear();
                    }
                }
            }
            Format::Plain => {
                for (name, cell) in &self.fields {
                    let value = cell.show(look).to_line();
                    out.extend([name, "\t", value.as_str(), "\n"]);
                }
            }
            Format::Json => {
                let fields = self.fields.iter().map(|(name, cell)| (*name, cell));
                let object = Object {
                    fields: fields.collect(),
                    look,
                };
                out = format!("{}\n", to_json(&object)?);
            }
        }
        Ok(out)
    }
}

/// A JSON object in the order of its columns.
struct Object<'a> {
    fields: Vec<(&'static str, &'a Cell)>,
    look: &'a Look,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, cell) in &self.fields {
            match cell {
                Cell::Empty => map.serialize_entry(name, &())?,
                Cell::Flag(on) => map.serialize_entry(name, on)?,
                Cell::List(items) => map.serialize_entry(name, items)?,
                Cell::Number(number) => map.serialize_entry(name, number)?,
                Cell::Text(text) => map.serialize_entry(name, text)?,
                Cell::Id(_) | Cell::Time(_) => map.serialize_entry(name, &cell.show(self.look))?,
            }
        }
        map.end()
    }
}
