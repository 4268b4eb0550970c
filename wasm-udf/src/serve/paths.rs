//! Modules in files: only in directories that the host allows.
//!
//! It does so with the environment variable `SQLBRIDGE_MODULES` (directories with colons between
//! them, read once) or with `SELECT sqlbridge_modules('directory')`, for this process.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use crate::code::{ContentHash, LARGEST_MODULE, content_hash};
use crate::process::lock;

/// The directories, and what is known of files in them.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    given: OnceLock<Vec<PathBuf>>,
    allowed: Mutex<Vec<PathBuf>>,
    hashes: Mutex<HashMap<PathBuf, (Version, ContentHash)>>,
}

/// What changes when a file is written: device, inode, size, times in nanoseconds.
type Version = (u64, u64, u64, i64, i64);

/// More files are forgotten all at once.
const MOST_FILES: usize = 1000;

const HOW: &str =
    "start the host with SQLBRIDGE_MODULES=directory, or SELECT sqlbridge_modules('directory')";

impl Paths {
    /// Allows the modules in a directory.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn allow(&self, directory: &str) -> Result<(), String> {
        let real = fs::canonicalize(directory)
            .ok()
            .filter(|real| real.is_dir())
            .ok_or_else(|| format!("'{directory}' is no directory that can be read"))?;
        let mut allowed = lock(&self.allowed);
        if !allowed.contains(&real) {
            allowed.push(real);
        }
        Ok(())
    }

    fn directories(&self) -> Vec<PathBuf> {
        let given = self.given.get_or_init(|| {
            let set = std::env::var_os("SQLBRIDGE_MODULES").unwrap_or_default();
            std::env::split_paths(&set)
                .filter(|path| path.is_absolute())
                .filter_map(|path| fs::canonicalize(path).ok())
                .collect()
        });
        let mut all = given.clone();
        all.extend(lock(&self.allowed).iter().cloned());
        all
    }

    /// Finds a module's file: a path, or one below an allowed directory.
    ///
    /// # Errors
    /// There is none, or it is not in an allowed directory; a sentence that says how to allow it.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf, String> {
        let directories = self.directories();
        if directories.is_empty() {
            return Err(format!(
                "there is no stored guest '{name}', and modules in files are not allowed here; to allow \
                 those of a directory, {HOW}"
            ));
        }
        let path = Path::new(name);
        // Links are followed before it is looked where they lead.
        let found = directories
            .iter()
            .filter_map(|directory| fs::canonicalize(directory.join(path)).ok())
            .find(|real| directories.iter().any(|allowed| real.starts_with(allowed)));
        found.ok_or_else(|| {
            let shown: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
            format!(
                "there is neither a stored guest '{name}' nor a file of that name in the allowed directories ({}); \
                 to allow another directory, {HOW}",
                shown.join(", ")
            )
        })
    }

    /// The hash of a file, and its content where it had to be read.
    ///
    /// # Errors
    /// It cannot be read, or is too large for a module.
    pub(crate) fn read(&self, path: &Path) -> Result<(ContentHash, Option<Vec<u8>>), String> {
        let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let metadata = fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(format!("{} is no file", path.display()));
        }
        if metadata.len() > LARGEST_MODULE as u64 {
            return Err(format!(
                "{} has {} bytes, more than {LARGEST_MODULE}",
                path.display(),
                metadata.len()
            ));
        }
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000) + rest;
        let version = (
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        );
        if let Some((known, hash)) = lock(&self.hashes).get(path)
            && *known == version
        {
            return Ok((*hash, None));
        }
        let content = fs::read(path).map_err(failed)?;
        let hash = content_hash(&content);
        let mut hashes = lock(&self.hashes);
        if hashes.len() >= MOST_FILES {
            hashes.clear();
        }
        hashes.insert(path.to_owned(), (version, hash));
        Ok((hash, Some(content)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Paths;

    #[test]
    fn only_allowed_directories() {
        let place = std::env::temp_dir().join(format!("sqlbridge-paths-{}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        let (inside, outside) = (place.join("in"), place.join("out"));
        fs::create_dir_all(inside.join("deeper")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(inside.join("deeper/a.wasm"), "a").unwrap();
        fs::write(outside.join("b.wasm"), "b").unwrap();
        symlink(outside.join("b.wasm"), inside.join("link.wasm")).unwrap();
        symlink(&outside, inside.join("way")).unwrap();
        symlink(inside.join("deeper/a.wasm"), inside.join("good.wasm")).unwrap();

        let paths = Paths::default();
        let _ = paths.given.set(Vec::new());
        assert!(
            paths
                .find("a.wasm")
                .unwrap_err()
                .contains("not allowed here")
        );
        assert!(paths.allow("/no/such/directory").is_err());
        paths.allow(inside.to_str().unwrap()).unwrap();
        let found = |name: &str| paths.find(name);
        let a = fs::canonicalize(inside.join("deeper/a.wasm")).unwrap();
        assert_eq!(found("deeper/a.wasm"), Ok(a.clone()));
        assert_eq!(found("good.wasm"), Ok(a.clone()));
        assert_eq!(found(a.to_str().unwrap()), Ok(a.clone()));
        for escape in ["link.wasm", "way/b.wasm", "../out/b.wasm", "missing.wasm"] {
            assert!(
                found(escape).unwrap_err().contains("to allow another"),
                "{escape}"
            );
        }
        assert!(found(outside.join("b.wasm").to_str().unwrap()).is_err());

        let (first, content) = paths.read(&a).unwrap();
        assert_eq!(content, Some(b"a".to_vec()));
        assert_eq!(paths.read(&a).unwrap(), (first, None));
        fs::write(&a, "longer").unwrap();
        assert_ne!(paths.read(&a).unwrap().0, first);
        assert!(paths.read(&inside).unwrap_err().contains("is no file"));
        fs::remove_dir_all(place).unwrap();
    }
}
