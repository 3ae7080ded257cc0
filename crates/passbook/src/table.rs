/// Lines of aligned columns; a column of numbers is aligned at its end.
pub(crate) fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([heads[column].len()]).max().unwrap_or(0)
    };
    let is_number = |column: usize| rows.iter().all(|row| row[column].bytes().all(|byte| byte.is_ascii_digit()));
    let line = |cells: [&str; N]| {
        let cells: Vec<_> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = width(column);
                if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let lines: Vec<_> =
        std::iter::once(line(heads)).chain(rows.iter().map(|row| line(row.each_ref().map(String::as_str)))).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "10".to_owned()], ["longer".to_owned(), "9".to_owned()]];
        assert_eq!(table(["name", "end"], &rows), "name    end\na        10\nlonger    9");
    }
}
