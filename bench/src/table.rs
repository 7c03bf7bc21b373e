//! A table in Markdown.

/// Rows of cells, the first row being the heading.
#[derive(Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self(vec![heading.map(str::to_owned).to_vec()])
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.to_vec());
    }

    /// Names in the first column, and beside each its values; nothing for a row without any.
    pub(crate) fn pivot(
        corner: &str,
        columns: &[String],
        rows: impl Iterator<Item = (String, Vec<Option<String>>)>,
    ) -> Self {
        let heading = std::iter::once(corner.to_owned()).chain(columns.iter().cloned()).collect();
        let with_values = rows.filter(|(_, cells)| cells.iter().any(Option::is_some));
        let rows = with_values.map(|(name, cells)| {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            std::iter::once(name).chain(cells).collect()
        });
        Self(std::iter::once(heading).chain(rows).collect())
    }

    pub(crate) fn write(&self, text: &mut String) {
        let mut rows = self.0.iter();
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        if let Some(heading) = rows.next() {
            text.push_str(&line(heading));
            text.push_str(&format!("|---|{}\n", "---:|".repeat(heading.len().saturating_sub(1))));
        }
        rows.for_each(|row| text.push_str(&line(row)));
        text.push('\n');
    }
}
