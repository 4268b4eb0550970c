//! The rows of a table that may differ between two points.

use std::collections::{BTreeMap, HashSet};

use super::btree::{Cell, Reader, Tree};
use super::error::{Error, Result};
use super::layout::Layout;
use super::record::record;
use crate::changeset::{Field, Op, Writer};

/// Rows by key, encoded.
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A table at one of the points.
#[derive(Debug)]
pub(super) struct Side {
    layout: Layout,
    root: u32,
    tree: Tree,
    rows: Rows,
    /// Overflow pages of the rows that were read.
    overflow: Vec<u32>,
}

impl Side {
    /// What trees are called whose names do not matter.
    pub(super) const NAME: &'static str = "an index";

    fn new(layout: Layout, root: u32) -> Self {
        Self {
            layout,
            root,
            tree: Tree::default(),
            rows: Rows::new(),
            overflow: Vec::new(),
        }
    }

    /// Reads the rows on a page.
    fn read_page(&mut self, reader: &mut Reader<'_>, number: u32, name: &str) -> Result<()> {
        let page = reader.page(number, name)?;
        for cell in page.cells(name)? {
            self.read_cell(reader, &cell, name)?;
        }
        Ok(())
    }

    fn read_cell(&mut self, reader: &mut Reader<'_>, cell: &Cell<'_>, name: &str) -> Result<()> {
        let overflow = &mut self.overflow;
        let payload = reader.payload(cell, name, &mut |page| overflow.push(page))?;
        let record = record(&payload, reader.encoding, name)?;
        self.rows.extend(self.layout.row(&record, cell.rowid));
        Ok(())
    }
}

/// A table at both points.
#[derive(Debug)]
pub(super) struct Difference {
    name: String,
    old: Option<Side>,
    new: Option<Side>,
    /// For each column of the changeset its place in old rows.
    columns: Vec<Option<usize>>,
    /// Whether equal bytes are equal rows.
    aligned: bool,
}

impl Difference {
    /// None for a table without a primary key, as SQLite has it.
    pub(super) fn new(
        name: String,
        old: (Option<Layout>, Option<u32>),
        new: (Option<Layout>, Option<u32>),
    ) -> Result<Option<Self>> {
        let side = |(layout, root): (Option<Layout>, Option<u32>)| {
            let side = layout
                .zip(root)
                .map(|(layout, root)| Side::new(layout, root));
            side.filter(|side| !side.layout.shape.key.is_empty())
        };
        let (old, new) = (side(old), side(new));
        let (columns, aligned) = match (&old, &new) {
            (None, None) => return Ok(None),
            (Some(old), Some(new)) => {
                let (columns, aligned) = new.layout.columns_in(&old.layout);
                let places = |at: &usize| new.layout.shape.columns[*at].place;
                let before = |at: &usize| columns[*at].map(|at| old.layout.shape.columns[at].place);
                let key = &new.layout.shape.key;
                let kept = key.len() == old.layout.shape.key.len()
                    && key.iter().all(|at| before(at) == Some(places(at)));
                if !kept {
                    return Err(Error::Table {
                        table: name,
                        rule: "has another primary key at one point than at the other; no changeset can tell that"
                            .to_owned(),
                    });
                }
                (columns, aligned)
            }
            (Some(_), None) | (None, Some(_)) => (Vec::new(), true),
        };
        Ok(Some(Self {
            name,
            old,
            new,
            columns,
            aligned,
        }))
    }

    /// Reads the rows on pages that are not the same at both points.
    pub(super) fn read_changed<'p>(
        &mut self,
        old: &mut Reader<'p>,
        new: &mut Reader<'p>,
        same: &dyn Fn(u32) -> bool,
    ) -> Result<()> {
        let Self {
            name,
            old: before,
            new: after,
            aligned,
            ..
        } = self;
        if let Some(side) = before {
            side.tree = old.tree(side.root, name)?;
        }
        if let Some(side) = after {
            side.tree = new.tree(side.root, name)?;
        }
        let pages = |side: &Option<Side>| -> HashSet<u32> {
            side.iter().flat_map(|side| side.tree.numbers()).collect()
        };
        let (in_old, in_new) = (pages(before), pages(after));
        let skipped = |number: &u32| {
            *aligned && in_old.contains(number) && in_new.contains(number) && same(*number)
        };
        for (side, reader, numbers) in [(before, old, &in_old), (after, new, &in_new)] {
            let Some(side) = side else { continue };
            for number in numbers.iter().filter(|number| !skipped(number)) {
                side.read_page(reader, *number, name)?;
            }
        }
        Ok(())
    }

    /// Calls `known` with each page that cannot hide a change.
    pub(super) fn known_pages(&self, mut known: impl FnMut(u32)) {
        for side in [&self.old, &self.new].into_iter().flatten() {
            side.tree.numbers().for_each(&mut known);
            side.overflow.iter().copied().for_each(&mut known);
        }
    }

    /// Reads the rows on the other leaves that overflow into pages that changed.
    pub(super) fn read_overflowing(
        &mut self,
        old: &mut Reader<'_>,
        new: &mut Reader<'_>,
        same: &dyn Fn(u32) -> bool,
        unexplained: &mut HashSet<u32>,
    ) -> Result<()> {
        let (Some(before), Some(after)) = (&mut self.old, &mut self.new) else {
            return Ok(());
        };
        let shared: Vec<u32> = after
            .tree
            .numbers()
            .filter(|number| {
                before.tree.leaves.contains(number) || before.tree.interior.contains_key(number)
            })
            .filter(|number| self.aligned && same(*number))
            .collect();
        for number in shared {
            if unexplained.is_empty() {
                break;
            }
            let page = new.page(number, &self.name)?;
            for cell in page.cells(&self.name)?.into_iter().filter(Cell::overflows) {
                let mut changed = false;
                new.payload(&cell, &self.name, &mut |page| {
                    changed |= unexplained.remove(&page) || !same(page);
                })?;
                if changed {
                    before.read_cell(old, &cell, &self.name)?;
                    after.read_cell(new, &cell, &self.name)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what differs.
    pub(super) fn write(&self, writer: &mut Writer) {
        let none = Rows::new();
        let projected: Rows;
        let (old, new, layout) = match (&self.old, &self.new) {
            (Some(old), Some(new)) => {
                let project = |(key, row): (&Vec<u8>, &Vec<u8>)| {
                    (key.clone(), new.layout.project(row, &self.columns))
                };
                projected = old.rows.iter().map(project).collect();
                (&projected, &new.rows, &new.layout)
            }
            (Some(old), None) => (&old.rows, &none, &old.layout),
            (None, Some(new)) => (&none, &new.rows, &new.layout),
            (None, None) => return,
        };
        writer.table(&self.name, &layout.shape.places());
        for (key, row) in old {
            match new.get(key) {
                None => writer.raw(Op::Delete, false, &[row]),
                Some(now) if now != row => {
                    let values = |row| Field::all(row).filter_map(Field::value);
                    writer.update(false, values(row), values(now));
                }
                Some(_) => {}
            }
        }
        for (_, row) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            writer.raw(Op::Insert, false, &[row]);
        }
    }
}
