//! The changeset between two points of a database's history, from the pages of both.
//!
//! | module | what |
//! | --- | --- |
//! | this one | the points, and the tables that both have |
//! | `btree` | pages, cells and payloads of SQLite's file format |
//! | `record` | rows from payloads |
//! | `layout` | which column stands where in a table's records |
//! | `rows` | the rows of a table that may differ |
//!
//! A leaf of a table's tree that is the same page with the same bytes at both points holds the same rows,
//! so it is not read. All interior pages are, because an unchanged one may lead to leaves that
//! changed. Rows that merely moved to another page are found on both sides and drop out.
//!
//! An overflow page can change while the leaf of its row does not. So where a page changed that is
//! neither part of a tree nor free, nor reached from a leaf that was read, the other leaves are
//! searched for the row it belongs to.
//!
//! The format: <https://www.sqlite.org/fileformat2.html>. Nothing here trusts a page.

mod btree;
mod error;
mod layout;
mod record;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlite_abi::{FunctionError, PrivateDatabase, ValueRef};

use crate::capture::shape::STATISTICS;
use crate::changeset::{Kind, Writer, invert};
use btree::Reader;
use error::{Error, Result};
use layout::Layout;
use record::{Encoding, record};
use rows::{Difference, Side};

/// A point of a database's history.
pub trait Pages {
    /// Bytes of a page.
    fn page_size(&self) -> usize;

    /// How many pages there are; none in a database that does not exist yet.
    fn page_count(&self) -> u32;

    /// Reads a page; the first is 1.
    ///
    /// # Errors
    /// A sentence.
    fn read(&mut self, number: u32, page: &mut [u8]) -> std::result::Result<(), String>;
}

/// The changeset that leads from one point to a later one, or back. `same` tells that a page has the same bytes
/// at both; if it says no where they are the same, more is read, nothing else.
///
/// # Errors
/// A page cannot be read or is damaged; a table changed in a way that no changeset can tell.
pub fn changeset_between(
    old: &mut dyn Pages,
    new: &mut dyn Pages,
    same: &dyn Fn(u32) -> bool,
    backwards: bool,
) -> std::result::Result<Vec<u8>, FunctionError> {
    let changes = forwards(old, new, same)?;
    if backwards {
        return Ok(invert(&changes)?);
    }
    Ok(changes)
}

fn forwards<'p>(
    old: &'p mut dyn Pages,
    new: &'p mut dyn Pages,
    same: &dyn Fn(u32) -> bool,
) -> Result<Vec<u8>> {
    let has_pages = old.page_count() > 0 && new.page_count() > 0;
    if has_pages && old.page_size() != new.page_size() {
        return Err(Error::PageSize);
    }
    let (mut old, mut new) = (Point::open(old)?, Point::open(new)?);
    let scratch = PrivateDatabase::open()?;
    let mut tables = Vec::new();
    let names: BTreeSet<String> = old
        .tables
        .keys()
        .chain(new.tables.keys())
        .cloned()
        .collect();
    for name in names {
        let before = old
            .tables
            .get(&name)
            .map(|table| table.layout(&scratch, &name))
            .transpose()?;
        let after = new
            .tables
            .get(&name)
            .map(|table| table.layout(&scratch, &name))
            .transpose()?;
        let roots = (old.root(&name), new.root(&name));
        tables.extend(Difference::new(name, (before, roots.0), (after, roots.1))?);
    }
    for table in &mut tables {
        table.read_changed(&mut old.reader, &mut new.reader, same)?;
    }
    let mut unexplained = unexplained(&mut old, &mut new, same, &tables)?;
    for table in &mut tables {
        if !unexplained.is_empty() {
            table.read_overflowing(&mut old.reader, &mut new.reader, same, &mut unexplained)?;
        }
    }
    let mut writer = Writer::new(Kind::Changeset);
    for table in &tables {
        table.write(&mut writer);
    }
    Ok(writer.finish())
}

/// Pages that changed and that may be overflow pages of rows on leaves that did not.
fn unexplained<'p>(
    old: &mut Point<'p>,
    new: &mut Point<'p>,
    same: &dyn Fn(u32) -> bool,
    tables: &[Difference],
) -> Result<HashSet<u32>> {
    let shared = old.reader.page_count().min(new.reader.page_count());
    let mut pages: HashSet<u32> = (2..=shared).filter(|number| !same(*number)).collect();
    for table in tables {
        table.known_pages(|number| {
            pages.remove(&number);
        });
    }
    for point in [&mut *old, &mut *new] {
        pages.retain(|number| !point.reader.is_pointer_map(*number));
        if !pages.is_empty() {
            point.reader.free_pages(|number| {
                pages.remove(&number);
            })?;
        }
    }
    // What else has pages: indexes, and tables that no changeset tells of.
    for point in [old, new] {
        for root in &point.roots {
            if pages.is_empty() {
                return Ok(pages);
            }
            let tree = point.reader.tree(*root, Side::NAME)?;
            tree.numbers().for_each(|number| {
                pages.remove(&number);
            });
        }
    }
    Ok(pages)
}

/// A table as its schema tells.
#[derive(Debug)]
struct Table {
    root: u32,
    sql: String,
}

impl Table {
    fn layout(&self, scratch: &PrivateDatabase, name: &str) -> Result<Layout> {
        Layout::read(&scratch.connection(), name, &self.sql)
    }
}

/// One point with its schema.
struct Point<'p> {
    reader: Reader<'p>,
    tables: BTreeMap<String, Table>,
    /// All trees.
    roots: Vec<u32>,
}

impl<'p> Point<'p> {
    fn open(pages: &'p mut dyn Pages) -> Result<Self> {
        let mut point = Self {
            reader: Reader::new(pages)?,
            tables: BTreeMap::new(),
            roots: Vec::new(),
        };
        if point.reader.page_count() == 0 {
            return Ok(point);
        }
        let encoding = point.reader.encoding;
        let tree = point.reader.tree(1, "sqlite_schema")?;
        let mut rows = Vec::new();
        for number in tree.leaves.iter().chain(tree.interior.keys()) {
            let page = point.reader.page(*number, "sqlite_schema")?;
            for cell in page
                .cells("sqlite_schema")?
                .into_iter()
                .filter(|_| page.is_leaf())
            {
                rows.push(point.reader.payload(&cell, "sqlite_schema", &mut |_| ())?);
            }
        }
        for row in rows {
            point.add(&row, encoding)?;
        }
        Ok(point)
    }

    /// Takes in a row of the schema: type, name, tbl_name, rootpage, sql.
    fn add(&mut self, payload: &[u8], encoding: Encoding) -> Result<()> {
        let fields = record(payload, encoding, "sqlite_schema")?;
        let text = |at: usize| match fields.value(at) {
            Some(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        let root = match fields.value(3) {
            Some(ValueRef::Integer(root)) => u32::try_from(root).unwrap_or(0),
            _ => 0,
        };
        // Views, triggers and virtual tables have no pages.
        if root == 0 {
            return Ok(());
        }
        self.roots.push(root);
        let name = text(1);
        if text(0) == "table" && (!name.starts_with("sqlite_") || name == STATISTICS) {
            self.tables.insert(name, Table { root, sql: text(4) });
        }
        Ok(())
    }

    fn root(&self, name: &str) -> Option<u32> {
        self.tables.get(name).map(|table| table.root)
    }
}
