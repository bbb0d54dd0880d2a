//! Rows in columns.

use unicode_width::UnicodeWidthStr;

const GAP: usize = 2;

/// Rows as a table: each column as wide as its widest cell on a terminal.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|&title| title.into()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let widest = |column: usize| lines.iter().map(|line| line[column].width()).max();
    let widths: Vec<usize> = (0..header.len()).filter_map(widest).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths);
        let padded: String = cells
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width + GAP - cell.width())))
            .collect();
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_takes_two_columns() {
        let rows = [vec!["节点".into(), "x".into()], vec!["ab".into(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A     B\n节点  x\nab\n");
    }
}
