//! Which files make up the database at a transaction, chosen as Litestream's restore chooses.
//!
//! The newest snapshot first, then from whichever level reaches furthest, until
//! nothing continues. What lies beyond a gap is an error: it means that the
//! history was forked or that files were removed by hand.

use crate::layout::{FileName, SNAPSHOT_LEVEL};

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// Files lie beyond the end of the chain.
    Gap {
        /// End of the chain.
        end: u64,
        /// First transaction of the file beyond it.
        next: u64,
    },
    /// No file ends at the transaction asked for.
    NotABoundary {
        /// The transaction asked for.
        txid: u64,
        /// How far the chain comes without passing it.
        end: u64,
    },
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gap { end, next } => {
                write!(
                    f,
                    "it is complete up to transaction {end}, but a file begins at {next}"
                )
            }
            Self::NotABoundary { txid, end } => write!(
                f,
                "transaction {txid} cannot be opened: the files left reach transaction {end} without passing it"
            ),
        }
    }
}

/// The files to apply in order, up to `target` or to the end. No files, no history: an empty plan.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(files: &[FileName], target: Option<u64>) -> Result<Vec<FileName>, PlanError> {
    let within = |file: &FileName| target.is_none_or(|txid| file.max <= txid);
    let newest_snapshot = files
        .iter()
        .filter(|file| file.level == SNAPSHOT_LEVEL && file.min == 1 && within(file))
        .max_by_key(|file| file.max);
    let mut chosen: Vec<FileName> = newest_snapshot.copied().into_iter().collect();
    let mut end = newest_snapshot.map_or(0, |file| file.max);

    let mut rest: Vec<&FileName> = files
        .iter()
        .filter(|file| file.level < SNAPSHOT_LEVEL && within(file))
        .collect();
    rest.sort_by_key(|file| (file.min, file.max));
    let mut candidates = rest.iter().peekable();
    let mut best: Option<&FileName> = None;
    loop {
        while let Some(file) = candidates.next_if(|file| file.min <= end + 1) {
            let better = |old: &FileName| (file.max, file.level) > (old.max, old.level);
            if best.is_none_or(better) {
                best = Some(file);
            }
        }
        match best {
            Some(file) if file.max > end => {
                chosen.push(*file);
                end = file.max;
            }
            _ => break,
        }
    }
    if let Some(txid) = target {
        return if end == txid {
            Ok(chosen)
        } else {
            Err(PlanError::NotABoundary { txid, end })
        };
    }
    match candidates.next() {
        Some(beyond) => Err(PlanError::Gap {
            end,
            next: beyond.min,
        }),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(u8, u64, u64)]) -> Vec<FileName> {
        list.iter()
            .map(|&(level, min, max)| FileName { level, min, max })
            .collect()
    }

    fn chosen(
        list: &[(u8, u64, u64)],
        target: Option<u64>,
    ) -> Result<Vec<(u8, u64, u64)>, PlanError> {
        let plan = plan(&files(list), target)?;
        Ok(plan
            .iter()
            .map(|file| (file.level, file.min, file.max))
            .collect())
    }

    #[test]
    fn takes_the_snapshot_then_whatever_reaches_furthest() {
        let list = [
            (0, 1, 1),
            (0, 5, 5),
            (0, 6, 6),
            (1, 1, 4),
            (1, 5, 6),
            (0, 7, 7),
            (9, 1, 4),
        ];
        assert_eq!(
            chosen(&list, None),
            Ok(vec![(9, 1, 4), (1, 5, 6), (0, 7, 7)])
        );
        assert_eq!(chosen(&list, Some(5)), Ok(vec![(9, 1, 4), (0, 5, 5)]));
        assert_eq!(chosen(&[], None), Ok(vec![]));
    }

    #[test]
    fn overlapping_levels_are_fine_and_gaps_are_not() {
        assert_eq!(
            chosen(&[(1, 1, 3), (2, 1, 2), (0, 3, 3), (0, 4, 4)], None),
            Ok(vec![(1, 1, 3), (0, 4, 4)])
        );
        assert_eq!(
            chosen(&[(0, 1, 1), (0, 3, 3)], None),
            Err(PlanError::Gap { end: 1, next: 3 })
        );
        assert_eq!(
            chosen(&[(0, 2, 2)], None),
            Err(PlanError::Gap { end: 0, next: 2 })
        );
    }

    #[test]
    fn a_transaction_inside_a_compacted_file_is_not_a_boundary() {
        let list = [(1, 1, 4), (0, 5, 5)];
        assert_eq!(
            chosen(&list, Some(3)),
            Err(PlanError::NotABoundary { txid: 3, end: 0 })
        );
        assert_eq!(
            chosen(&list, Some(9)),
            Err(PlanError::NotABoundary { txid: 9, end: 5 })
        );
    }
}
