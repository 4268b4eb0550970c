//! Tables of `docs/reference.md` that are made from code, between marks of their own. Each crate
//! that has some checks them in its tests; `UPDATE_REFERENCE=1` makes such a test write them.

use std::fmt::Write;
use std::path::Path;

/// Compares tables, by the names of their marks, with those of the page.
pub fn check(tables: &[(&str, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let mut page = written.clone();
    for (name, table) in tables {
        page = replace(&page, name, table).unwrap_or_else(|| panic!("{name} has no place"));
    }
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    } else {
        assert!(
            page == written,
            "docs/reference.md is not what the code says; run this test with UPDATE_REFERENCE=1"
        );
    }
}

/// `page` with what stands between the marks of `name` replaced; none without such marks.
fn replace(page: &str, name: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- generated: {name} -->\n");
    let end = "<!-- end -->";
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
}

/// A table in Markdown.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(&head.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>());
    line(&head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    for row in rows {
        line(&row);
    }
    text
}

/// Text in backquotes.
pub fn code(text: &str) -> String {
    format!("`{text}`")
}
