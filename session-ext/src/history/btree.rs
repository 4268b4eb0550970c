//! Pages, cells and payloads: <https://www.sqlite.org/fileformat2.html#b_tree_pages>.

use std::collections::{HashMap, HashSet};

use super::Pages;
use super::error::{Error, Result};
use super::record::{Encoding, varint};

/// Deeper than any tree of 2^32 pages whose interior pages have two children.
const DEEPEST: usize = 40;

/// Reads the pages of one point.
pub(super) struct Reader<'p> {
    pages: &'p mut dyn Pages,
    page_size: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    pub(super) encoding: Encoding,
    first_free: u32,
    has_pointer_map: bool,
}

/// A page of a tree.
#[derive(Debug)]
pub(super) struct Page {
    number: u32,
    bytes: Vec<u8>,
    /// Where its header begins.
    start: usize,
    usable: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    IndexInterior,
    TableInterior,
    IndexLeaf,
    TableLeaf,
}

/// A cell with a payload.
#[derive(Debug)]
pub(super) struct Cell<'p> {
    /// In trees of tables with rowids.
    pub(super) rowid: i64,
    local: &'p [u8],
    length: usize,
    /// The first overflow page.
    overflow: u32,
    page: u32,
}

/// The pages of a tree. All leaves are at one depth.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Interior pages; those of indexes have rows.
    pub(super) interior: HashMap<u32, Page>,
    pub(super) leaves: HashSet<u32>,
}

impl Tree {
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.interior.keys().chain(&self.leaves).copied()
    }
}

impl<'p> Reader<'p> {
    pub(super) fn new(pages: &'p mut dyn Pages) -> Result<Self> {
        let page_size = pages.page_size();
        let mut reader = Self {
            pages,
            page_size,
            usable: page_size,
            encoding: Encoding::Utf8,
            first_free: 0,
            has_pointer_map: false,
        };
        if reader.page_count() == 0 {
            return Ok(reader);
        }
        let header = reader.bytes(1)?;
        let reserved = header.get(20).map_or(0, |bytes| usize::from(*bytes));
        reader.usable = page_size.saturating_sub(reserved);
        if reader.usable < 480 {
            return Err(damaged("the header", 1, "leaves no room in pages"));
        }
        reader.encoding = Encoding::of(word(&header, 56));
        reader.first_free = word(&header, 32);
        reader.has_pointer_map = word(&header, 52) != 0;
        Ok(reader)
    }

    pub(super) fn page_count(&self) -> u32 {
        self.pages.page_count()
    }

    fn bytes(&mut self, number: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.page_size];
        self.pages.read(number, &mut bytes).map_err(Error::Read)?;
        Ok(bytes)
    }

    fn check(&self, number: u32, tree: &str) -> Result<()> {
        if number == 0 || number > self.page_count() {
            return Err(damaged(tree, number, "does not exist"));
        }
        Ok(())
    }

    /// A page of a tree.
    pub(super) fn page(&mut self, number: u32, tree: &str) -> Result<Page> {
        self.check(number, tree)?;
        let bytes = self.bytes(number)?;
        let start = if number == 1 { 100 } else { 0 };
        let kind = match bytes.get(start) {
            Some(2) => Kind::IndexInterior,
            Some(5) => Kind::TableInterior,
            Some(10) => Kind::IndexLeaf,
            Some(13) => Kind::TableLeaf,
            _ => return Err(damaged(tree, number, "is no page of a tree")),
        };
        Ok(Page {
            number,
            bytes,
            start,
            usable: self.usable,
            kind,
        })
    }

    /// The pages of a tree. Of its leaves at most one is read.
    pub(super) fn tree(&mut self, root: u32, name: &str) -> Result<Tree> {
        let mut tree = Tree::default();
        let mut level = vec![root];
        let mut seen = HashSet::from([root]);
        for _ in 0..DEEPEST {
            let Some(&first) = level.first() else { break };
            if self.page(first, name)?.is_leaf() {
                tree.leaves = level.into_iter().collect();
                return Ok(tree);
            }
            let mut below = Vec::new();
            for number in level {
                let page = self.page(number, name)?;
                if page.is_leaf() {
                    return Err(damaged(name, number, "is a leaf beside interior pages"));
                }
                for child in page.children(name)? {
                    self.check(child, name)?;
                    if !seen.insert(child) {
                        return Err(damaged(name, child, "has two parents"));
                    }
                    below.push(child);
                }
                tree.interior.insert(number, page);
            }
            level = below;
        }
        Err(damaged(name, root, "leads too deep"))
    }

    /// A cell's payload. `overflow` is called with each overflow page.
    pub(super) fn payload(
        &mut self,
        cell: &Cell<'_>,
        tree: &str,
        overflow: &mut dyn FnMut(u32),
    ) -> Result<Vec<u8>> {
        let most = self.page_count() as usize * self.page_size;
        if cell.length > most {
            return Err(damaged(
                tree,
                cell.page,
                "has a row longer than the database",
            ));
        }
        let mut payload = cell.local.to_vec();
        let mut next = cell.overflow;
        while payload.len() < cell.length {
            if self.check(next, tree).is_err() {
                return Err(damaged(tree, cell.page, "has a row whose end is missing"));
            }
            overflow(next);
            let bytes = self.bytes(next)?;
            let wanted = (cell.length - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(&bytes[4..4 + wanted]);
            next = word(&bytes, 0);
        }
        Ok(payload)
    }

    /// Calls `found` with each page of the free list.
    pub(super) fn free_pages(&mut self, mut found: impl FnMut(u32)) -> Result<()> {
        let mut trunk = self.first_free;
        let mut seen = HashSet::new();
        while trunk != 0 {
            self.check(trunk, "the free list")?;
            if !seen.insert(trunk) {
                return Err(damaged("the free list", trunk, "is there twice"));
            }
            found(trunk);
            let bytes = self.bytes(trunk)?;
            let count = (word(&bytes, 4) as usize).min(self.usable / 4 - 2);
            (0..count).for_each(|at| found(word(&bytes, 8 + 4 * at)));
            trunk = word(&bytes, 0);
        }
        Ok(())
    }

    /// Whether a page tells for others who points at them, in databases with `auto_vacuum`.
    pub(super) fn is_pointer_map(&self, number: u32) -> bool {
        if !self.has_pointer_map || number < 2 {
            return false;
        }
        let lock_page = (0x4000_0000 / self.page_size) as u32 + 1;
        let every = (self.usable / 5) as u32 + 1;
        let map = (number - 2) / every * every + 2;
        number == if map == lock_page { map + 1 } else { map }
    }
}

impl Page {
    pub(super) const fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::IndexLeaf | Kind::TableLeaf)
    }

    /// Where its cells begin.
    fn pointers(&self, tree: &str) -> Result<Vec<usize>> {
        let first = self.start + if self.is_leaf() { 8 } else { 12 };
        let count = usize::from(half(&self.bytes, self.start + 3));
        let pointers = self.bytes.get(first..first + 2 * count);
        let pointers = pointers.ok_or_else(|| self.damaged(tree, "has too many cells"))?;
        Ok(pointers
            .chunks_exact(2)
            .map(|bytes| usize::from(half(bytes, 0)))
            .collect())
    }

    /// The pages below an interior page.
    fn children(&self, tree: &str) -> Result<Vec<u32>> {
        let mut children = Vec::new();
        for at in self.pointers(tree)? {
            if at + 4 > self.usable {
                return Err(self.damaged(tree, "has a cell outside"));
            }
            children.push(word(&self.bytes, at));
        }
        children.push(word(&self.bytes, self.start + 8));
        Ok(children)
    }

    /// Its cells; none on interior pages of tables with rowids, which have no rows.
    pub(super) fn cells(&self, tree: &str) -> Result<Vec<Cell<'_>>> {
        if self.kind == Kind::TableInterior {
            return Ok(Vec::new());
        }
        let outside = || self.damaged(tree, "has a cell outside");
        let cell = |at: usize| {
            let skip = if self.kind == Kind::IndexInterior {
                4
            } else {
                0
            };
            let bytes = self.bytes.get(at + skip..self.usable).ok_or_else(outside)?;
            let (length, bytes) = varint(bytes).ok_or_else(outside)?;
            let (rowid, bytes) = if self.kind == Kind::TableLeaf {
                varint(bytes).ok_or_else(outside)?
            } else {
                (0, bytes)
            };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > i32::MAX as usize {
                return Err(self.damaged(tree, "has a row that is too long"));
            }
            let here = self.local_length(length);
            let local = bytes.get(..here).ok_or_else(outside)?;
            let overflow = if here < length {
                bytes
                    .get(here..here + 4)
                    .map(|bytes| word(bytes, 0))
                    .ok_or_else(outside)?
            } else {
                0
            };
            Ok(Cell {
                rowid: rowid as i64,
                local,
                length,
                overflow,
                page: self.number,
            })
        };
        self.pointers(tree)?.into_iter().map(cell).collect()
    }

    /// How much of a payload is on the page itself.
    fn local_length(&self, length: usize) -> usize {
        let least = (self.usable - 12) * 32 / 255 - 23;
        let most = if self.kind == Kind::TableLeaf {
            self.usable - 35
        } else {
            (self.usable - 12) * 64 / 255 - 23
        };
        if length <= most {
            return length;
        }
        let fitting = least + (length - least) % (self.usable - 4);
        if fitting <= most { fitting } else { least }
    }

    fn damaged(&self, tree: &str, problem: &'static str) -> Error {
        damaged(tree, self.number, problem)
    }
}

impl Cell<'_> {
    pub(super) const fn overflows(&self) -> bool {
        self.overflow != 0
    }
}

fn damaged(tree: &str, page: u32, problem: &'static str) -> Error {
    Error::Damaged {
        tree: tree.to_owned(),
        page,
        problem,
    }
}

/// Four bytes, big endian; zero beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_be_bytes(word.unwrap_or_default())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    let half = bytes.get(at..at + 2).and_then(|half| half.try_into().ok());
    u16::from_be_bytes(half.unwrap_or_default())
}
