//! Compiled code, by the SHA-256 of the module it was made from: in memory, then on disk.
//!
//! Code on disk is native code, so it is read only from a directory that
//! nobody else can write to, and only if its checksum is right. It never comes from a database:
//! a database has the module, from which it is made again. Names on disk carry the engine's
//! version and settings; other ones are not looked at.
//!
//! Divisions: the cache · memory · disk · compiling.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::process::lock;
use crate::raw;

/// Which module: its SHA-256.
pub(crate) type ContentHash = [u8; 32];

/// Larger modules are refused: compiling cannot be interrupted.
pub(crate) const LARGEST_MODULE: usize = 64 << 20;

/// Most modules and most bytes of their code in memory, beyond those that are in use.
const MOST_IN_MEMORY: usize = 256;
const MOST_BYTES_IN_MEMORY: usize = 256 << 20;

/// Most bytes on disk.
const MOST_ON_DISK: u64 = 1 << 30;

/// Compiled code.
#[derive(Clone)]
pub(crate) enum Code {
    Core(Module),
    Component(Component),
}

impl Code {
    /// Bytes of its machine code and data.
    pub(crate) fn size(&self) -> usize {
        let range = match self {
            Self::Core(module) => module.image_range(),
            Self::Component(component) => component.image_range(),
        };
        range.end.addr() - range.start.addr()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Core(_) => "Core",
            Self::Component(_) => "Component",
        })
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct CodeCache {
    /// Hash of the engine's version and settings.
    compatibility: u64,
    memory: Mutex<Memory>,
    directory: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Memory {
    codes: HashMap<ContentHash, (Code, u64)>,
    bytes: usize,
    clock: u64,
}

pub(crate) fn content_hash(module: &[u8]) -> ContentHash {
    Sha256::digest(module).into()
}

impl CodeCache {
    pub(crate) fn new(engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self {
            compatibility: hasher.finish(),
            memory: Mutex::default(),
            directory: directory(),
        }
    }

    /// The code of a module. `module` gives its bytes, if they are needed.
    ///
    /// # Errors
    /// What is wrong with the module, or what `module` says.
    pub(crate) fn get<E: From<String>>(
        &self,
        engine: &Engine,
        hash: &ContentHash,
        module: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Code, E> {
        if let Some(code) = lock(&self.memory).get(hash) {
            return Ok(code);
        }
        let code = match self.load(engine, hash) {
            Some(code) => code,
            None => {
                let module = module()?;
                if content_hash(&module) != *hash {
                    return Err(String::from(
                        "the stored module is not the one it was created with (its SHA-256 differs)",
                    )
                    .into());
                }
                let code = compile(engine, &module)?;
                self.save(hash, &code);
                code
            }
        };
        lock(&self.memory).put(*hash, code.clone());
        Ok(code)
    }
}

impl Memory {
    fn get(&mut self, hash: &ContentHash) -> Option<Code> {
        self.clock += 1;
        let (code, used) = self.codes.get_mut(hash)?;
        *used = self.clock;
        Some(code.clone())
    }

    fn put(&mut self, hash: ContentHash, code: Code) {
        self.clock += 1;
        self.bytes += code.size();
        if let Some((old, _)) = self.codes.insert(hash, (code, self.clock)) {
            self.bytes -= old.size();
        }
        while self.codes.len() > MOST_IN_MEMORY
            || (self.bytes > MOST_BYTES_IN_MEMORY && self.codes.len() > 1)
        {
            let oldest = self.codes.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(hash, _)| *hash) else {
                break;
            };
            if let Some((code, _)) = self.codes.remove(&oldest) {
                self.bytes -= code.size();
            }
        }
    }
}

// Disk --------------------------------------------------------------------------------------

/// `procedures/` in the cache directory that the storage room uses too. None where no home is
/// known: a shared temporary directory is no place for native code.
fn directory() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = if let Some(directory) = set("SQLBRIDGE_CACHE_DIR") {
        PathBuf::from(directory)
    } else if let Some(directory) = set("XDG_CACHE_HOME") {
        Path::new(&directory).join("sqlbridge")
    } else {
        Path::new(&set("HOME")?).join(".cache/sqlbridge")
    };
    Some(cache.join("procedures"))
}

/// Whether nobody but this user (and root) can write to a directory or put another in its place.
fn is_private(directory: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    let Ok(own) = rustix::fs::lstat(directory) else {
        return false;
    };
    let mode = own.st_mode;
    if mode & 0o170_000 != 0o040_000 || own.st_uid != me || mode & 0o077 != 0 {
        return false;
    }
    let Some(parent) = directory
        .parent()
        .and_then(|parent| rustix::fs::stat(parent).ok())
    else {
        return false;
    };
    let sticky = parent.st_mode & 0o1000 != 0;
    (parent.st_uid == me || parent.st_uid == 0) && (parent.st_mode & 0o022 == 0 || sticky)
}

impl CodeCache {
    fn path(&self, hash: &ContentHash) -> Option<PathBuf> {
        let mut name = String::with_capacity(96);
        for byte in hash {
            name.push_str(&format!("{byte:02x}"));
        }
        name.push_str(&format!("-{:016x}.cwasm", self.compatibility));
        Some(self.directory.as_ref()?.join(name))
    }

    fn load(&self, engine: &Engine, hash: &ContentHash) -> Option<Code> {
        let path = self.path(hash)?;
        if !is_private(self.directory.as_ref()?) {
            return None;
        }
        let sum = fs::read(path.with_extension("sum")).ok()?;
        let content = fs::read(&path).ok()?;
        let loaded = (sum == checksum(&content))
            .then(|| load(engine, &content))
            .flatten();
        if loaded.is_none() {
            // Damaged, or left by a crash: it is made again.
            let _ = fs::remove_file(&path);
            let _ = fs::remove_file(path.with_extension("sum"));
        }
        loaded
    }

    /// Best effort: without it the module is compiled again by the next process.
    fn save(&self, hash: &ContentHash, code: &Code) {
        let (Some(path), Some(directory)) = (self.path(hash), &self.directory) else {
            return;
        };
        let serialized = match code {
            Code::Core(module) => module.serialize(),
            Code::Component(component) => component.serialize(),
        };
        let Ok(content) = serialized else { return };
        let _ = make_private(directory).and_then(|()| {
            if !is_private(directory) {
                return Ok(());
            }
            write(&path.with_extension("sum"), &checksum(&content))?;
            write(&path, &content)?;
            sweep(directory)
        });
    }
}

/// The code in bytes whose checksum is right. They are copied, not mapped: a file that is cut
/// short later must not take the process with it.
#[expect(unsafe_code, reason = "see the comments")]
fn load(engine: &Engine, content: &[u8]) -> Option<Code> {
    match Engine::detect_precompiled(content)? {
        wasmtime::Precompiled::Module => {
            // SAFETY: they come from a directory that only this user can write to, where only
            // `save` puts files, whole, and their checksum is right.
            let module = unsafe { raw::module(engine, content) };
            module.ok().map(Code::Core)
        }
        wasmtime::Precompiled::Component => {
            // SAFETY: as above.
            let component = unsafe { raw::component(engine, content) };
            component.ok().map(Code::Component)
        }
    }
}

fn checksum(content: &[u8]) -> Vec<u8> {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, content);
    let mut bytes = sum.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes
}

fn make_private(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match rustix::fs::mkdir(directory, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whole or not at all: readers take what they find under this name.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(&temporary, flags, Mode::RUSR | Mode::WUSR)?;
    let written = fs::File::from(file)
        .write_all(content)
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes the oldest files above the bound.
fn sweep(directory: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    files.sort();
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in files {
        if total <= MOST_ON_DISK {
            break;
        }
        fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}

// Compiling ---------------------------------------------------------------------------------

/// Compiles on threads of its own that end with it: the process-wide pool that wasmtime would
/// use otherwise does not survive `fork()`.
///
/// # Errors
/// What is wrong with the module.
pub(crate) fn compile(engine: &Engine, module: &[u8]) -> Result<Code, String> {
    if module.len() > LARGEST_MODULE {
        return Err(format!(
            "the module has {} bytes, more than {LARGEST_MODULE}",
            module.len()
        ));
    }
    let threads = if module.len() < 128 << 10 {
        1
    } else {
        std::thread::available_parallelism().map_or(1, |count| count.get().min(4))
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|_| "sqlbridge-compile".to_owned())
        .build()
        .map_err(|error| format!("no thread to compile on: {error}"))?;
    let compiled = pool.install(|| {
        if is_component(module) {
            Component::from_binary(engine, module).map(Code::Component)
        } else {
            Module::from_binary(engine, module).map(Code::Core)
        }
    });
    compiled.map_err(|error| format!("the module cannot be compiled: {error:#}"))
}

/// `\0asm`, then version 13 of layer 1.
fn is_component(module: &[u8]) -> bool {
    module
        .get(..8)
        .is_some_and(|head| head[..4] == *b"\0asm" && head[6..] == [1, 0])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn cache(directory: &Path) -> (Engine, CodeCache) {
        let engine = Engine::default();
        let mut cache = CodeCache::new(&engine);
        cache.directory = Some(directory.join("procedures"));
        (engine, cache)
    }

    fn temporary(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("sqlbridge-code-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    fn wasm() -> Vec<u8> {
        wat::parse_str("(module (func (export \"f\") (result i32) i32.const 7))").unwrap()
    }

    fn from_disk(engine: &Engine, cache: &CodeCache) -> Result<Code, String> {
        lock(&cache.memory).codes.clear();
        cache.get(engine, &content_hash(&wasm()), || {
            Err("compiled again".to_owned())
        })
    }

    #[test]
    fn code_is_kept_and_damaged_code_is_made_again() {
        let directory = temporary("kept");
        let (engine, cache) = cache(&directory);
        let hash = content_hash(&wasm());
        let compile = || cache.get(&engine, &hash, || Ok::<_, String>(wasm()));
        compile().unwrap();
        from_disk(&engine, &cache).unwrap();

        let path = cache.path(&hash).unwrap();
        for damage in [
            |bytes: &mut Vec<u8>| bytes.truncate(100),
            |bytes: &mut Vec<u8>| bytes.clear(),
            |bytes: &mut Vec<u8>| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            },
        ] {
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            assert_eq!(from_disk(&engine, &cache).unwrap_err(), "compiled again");
            assert!(!path.exists());
            compile().unwrap();
            from_disk(&engine, &cache).unwrap();
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn only_a_private_directory_is_trusted() {
        let directory = temporary("private");
        let (engine, cache) = cache(&directory);
        let hash = content_hash(&wasm());
        let place = directory.join("procedures");
        cache
            .get(&engine, &hash, || Ok::<_, String>(wasm()))
            .unwrap();
        for mode in [0o770, 0o707, 0o755] {
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            assert!(from_disk(&engine, &cache).is_err(), "{mode:o}");
        }
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        from_disk(&engine, &cache).unwrap();
        let elsewhere = directory.join("elsewhere");
        fs::rename(&place, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
        assert!(from_disk(&engine, &cache).is_err(), "a link");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_module_that_is_not_its_hash_is_refused() {
        let directory = temporary("hash");
        let (engine, cache) = cache(&directory);
        let lie = cache.get(&engine, &[7; 32], || Ok::<_, String>(wasm()));
        assert!(lie.unwrap_err().contains("SHA-256 differs"));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let engine = Engine::default();
        let mut memory = Memory::default();
        let code = compile(&engine, &wasm()).unwrap();
        for number in 0..MOST_IN_MEMORY + 10 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            memory.put(hash, code.clone());
        }
        assert_eq!(memory.codes.len(), MOST_IN_MEMORY);
        assert_eq!(memory.bytes, MOST_IN_MEMORY * code.size());
        assert!(memory.get(&[0; 32]).is_none());
    }
}
