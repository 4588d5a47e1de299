//! Tables: columns that line up, also with Vietnamese marks and wide letters.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::style::{Style, safe};

/// Spaces between columns.
const GAP: usize = 2;

/// A table of text.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Cells wider than this are cut, by column; 0 means never.
    widths_max: Vec<usize>,
}

impl Table {
    /// Returns an empty table. A column's header comes with the width its cells are cut at.
    pub(crate) fn new<const N: usize>(columns: [(&'static str, usize); N]) -> Self {
        Self {
            header: columns.iter().map(|column| column.0).collect(),
            rows: Vec::new(),
            widths_max: columns.iter().map(|column| column.1).collect(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.iter().zip(&self.widths_max);
        self.rows.push(cells.map(|(cell, max)| cut(&safe(cell), *max)).collect());
    }

    /// Returns the table, one line a row, without spaces at the ends of lines.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut widths: Vec<usize> = self.header.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut text = String::new();
        let header: Vec<String> = self.header.iter().map(|name| (*name).to_owned()).collect();
        for (number, row) in std::iter::once(&header).chain(&self.rows).enumerate() {
            let mut line = String::new();
            let mut owed = 0;
            for (cell, width) in row.iter().zip(&widths) {
                if !cell.is_empty() {
                    line.push_str(&" ".repeat(owed));
                    owed = 0;
                    line.push_str(&if number == 0 { style.bold(cell) } else { style.word(cell) });
                }
                owed += width - cell.width() + GAP;
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// Cuts a text at a width on the screen and marks the cut.
fn cut(text: &str, max: usize) -> String {
    if max == 0 || text.width() <= max {
        return text.to_owned();
    }
    let (mut cut, mut width) = (String::new(), 0);
    for letter in text.chars() {
        width += letter.width().unwrap_or(0);
        if width >= max {
            break;
        }
        cut.push(letter);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_in_vietnamese() {
        let mut table = Table::new([("TITLE", 12), ("STATUS", 0)]);
        table.row(["Dò mật khẩu".into(), "new".into()]);
        // The same word with combining marks is as wide.
        table.row(["Do\u{300} ma\u{323}\u{302}t".into(), String::new()]);
        table.row(["漢字漢字漢字漢字".into(), "closed".into()]);
        let expected = "TITLE        STATUS\n\
                        Dò mật khẩu  new\n\
                        Do\u{300} ma\u{323}\u{302}t\n\
                        漢字漢字漢…  closed\n";
        assert_eq!(table.render(Style::plain()), expected);
    }
}
