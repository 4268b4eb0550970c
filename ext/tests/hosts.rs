//! The built library in hosts that we did not build: the `sqlite3` shell and Python.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// The library, next to the test programs that cargo built with it.
fn library() -> String {
    let mut path = std::env::current_exe().unwrap();
    path.set_file_name(format!(
        "{}sqlbridge{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ));
    assert!(path.exists(), "cargo did not build {}", path.display());
    path.to_str().unwrap().to_owned()
}

/// The distribution's Python: one that was built by hand may not load extensions.
fn python() -> &'static str {
    if std::path::Path::new("/usr/bin/python3").exists() {
        "/usr/bin/python3"
    } else {
        "python3"
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sqlbridge-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, arguments: &[&str], scratch: &Scratch) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(&scratch.0)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert!(status.success(), "{program}: {status}\n{stdout}\n{stderr}");
    assert_eq!(stderr, "", "nothing is printed");
    stdout
}

fn shell(commands: &[&str], name: &str) -> String {
    let load = format!(".load {}", library());
    let mut arguments = vec![":memory:", &load];
    arguments.extend(commands);
    run("sqlite3", &arguments, &Scratch::new(name))
}

fn python_script(script: &str, name: &str) -> String {
    run(python(), &["-c", script, &library()], &Scratch::new(name))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn shell_load_then_open() {
    let answer = shell(
        &[
            "SELECT sqlbridge_version()",
            ".open app.db",
            "SELECT sqlbridge_version()",
        ],
        "shell-open",
    );
    assert_eq!(answer, format!("{VERSION}\n{VERSION}\n"));
}

#[test]
fn shell_load_twice() {
    let again = format!(".load {}", library());
    let from_sql = format!("SELECT load_extension('{}') IS NULL", library());
    let answer = shell(
        &[
            &again,
            &from_sql,
            ".open app.db",
            &again,
            &from_sql,
            "SELECT sqlbridge_version()",
        ],
        "shell-twice",
    );
    assert_eq!(answer, format!("1\n1\n{VERSION}\n"));
}

#[test]
fn a_renamed_file_loads() {
    let scratch = Scratch::new("renamed");
    let renamed = scratch.0.join("another-name.so");
    std::fs::copy(library(), &renamed).unwrap();
    let load = format!(".load {}", renamed.display());
    let answer = run(
        "sqlite3",
        &[":memory:", &load, "SELECT sqlbridge_version()"],
        &scratch,
    );
    assert_eq!(answer, format!("{VERSION}\n"));
}

/// All of SQLite comes through its API table. A symbol of SQLite would bind to whichever copy the
/// dynamic linker finds first, or to none.
#[test]
fn it_needs_no_symbol_of_sqlite() {
    let library = std::fs::read(library()).unwrap();
    let has = |symbol: &[u8]| library.windows(symbol.len()).any(|window| window == symbol);
    assert!(has(b"sqlite3_sqlbridge_init"));
    assert!(!has(b"sqlite3_auto_extension"));
}

#[test]
fn it_describes_itself() {
    let answer = shell(
        &["SELECT sqlbridge_debug()", "SELECT sqlite_version()"],
        "debug",
    );
    let (report, version) = answer.trim_end().rsplit_once('\n').unwrap();
    let lines: Vec<(&str, &str)> = report
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let value = |key: &str| lines.iter().find(|line| line.0 == key).unwrap().1;
    assert_eq!(value("version"), VERSION);
    assert_eq!(value("sqlite"), version);
    assert!(value("sqlite_source_id").len() > 64);
    assert!(!value("commit").is_empty());
    assert_eq!(
        value("capabilities").contains("storage"),
        cfg!(feature = "storage")
    );
    for key in [
        "sqlite_threadsafe",
        "sqlite_lacks",
        "sqlite_lacks_functions",
    ] {
        assert!(!value(key).is_empty());
    }
}

#[test]
fn python_second_connection() {
    let answer = python_script(
        r"
import sqlite3, sys
before = sqlite3.connect('before.db')
first = sqlite3.connect('first.db')
first.enable_load_extension(True)
first.load_extension(sys.argv[1])
first.load_extension(sys.argv[1])
second = sqlite3.connect('second.db')
print(*first.execute('SELECT sqlbridge_version()').fetchone())
print(*second.execute('SELECT sqlbridge_version()').fetchone())
second.enable_load_extension(True)
second.load_extension(sys.argv[1])
try:
    before.execute('SELECT sqlbridge_version()')
except sqlite3.OperationalError as error:
    print(error)
before.enable_load_extension(True)
before.load_extension(sys.argv[1])
print(*before.execute('SELECT sqlbridge_version()').fetchone())
for connection in first, second, before:
    connection.close()
print(*sqlite3.connect(':memory:').execute('SELECT sqlbridge_version()').fetchone())
",
        "python-second",
    );
    let missing = "no such function: sqlbridge_version";
    assert_eq!(
        answer,
        format!("{VERSION}\n{VERSION}\n{missing}\n{VERSION}\n{VERSION}\n")
    );
}

#[test]
fn python_threads() {
    let answer = python_script(
        r"
import sqlite3, sys, threading
first = sqlite3.connect(':memory:')
first.enable_load_extension(True)
first.load_extension(sys.argv[1])
wrong = []
def work():
    for _ in range(200):
        connection = sqlite3.connect(':memory:')
        if not connection.execute('SELECT sqlbridge_version()').fetchone():
            wrong.append(1)
        connection.close()
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(wrong))
",
        "python-threads",
    );
    assert_eq!(answer, "0\n");
}

#[test]
fn python_fork() {
    let answer = python_script(
        r"
import os, sqlite3, sys
first = sqlite3.connect(':memory:')
first.enable_load_extension(True)
first.load_extension(sys.argv[1])
child = os.fork()
if child == 0:
    connection = sqlite3.connect('child.db')
    version = connection.execute('SELECT sqlbridge_version()').fetchone()
    connection.execute('CREATE TABLE t(v)')
    connection.close()
    os._exit(0 if version else 1)
print(os.waitpid(child, 0)[1])
print(*first.execute('SELECT sqlbridge_version()').fetchone())
",
        "python-fork",
    );
    assert_eq!(answer, format!("0\n{VERSION}\n"));
}

#[test]
fn python_dlclose() {
    let answer = python_script(
        r"
import _ctypes, ctypes, sqlite3, sys
first = sqlite3.connect(':memory:')
first.enable_load_extension(True)
first.load_extension(sys.argv[1])
handle = ctypes.CDLL(sys.argv[1])._handle
for _ in range(10):
    try:
        _ctypes.dlclose(handle)
    except OSError:
        break
with open('/proc/self/maps') as maps:
    print(sys.argv[1] in maps.read())
print(*first.execute('SELECT sqlbridge_version()').fetchone())
first.close()
print(*sqlite3.connect(':memory:').execute('SELECT sqlbridge_version()').fetchone())
",
        "python-dlclose",
    );
    let first = if cfg!(target_os = "linux") {
        "True"
    } else {
        "False"
    };
    assert_eq!(answer, format!("{first}\n{VERSION}\n{VERSION}\n"));
}

/// A copy of the host's own SQLite library under another name is a second SQLite in the process,
/// as with apsw next to Python's sqlite3.
#[test]
#[cfg(target_os = "linux")]
fn two_copies_of_sqlite() {
    let answer = python_script(
        r"
import ctypes, re, shutil, sqlite3, sys
with open('/proc/self/maps') as maps:
    path = re.search(r'/\S*libsqlite3\.so\S*', maps.read()).group()
shutil.copy(path, 'other.so')
other = ctypes.CDLL('./other.so')
db, message = ctypes.c_void_p(), ctypes.c_char_p()

def load():
    code = other.sqlite3_load_extension(db, sys.argv[1].encode(), None, ctypes.byref(message))
    return code, (message.value or b'').decode()

def open_other():
    other.sqlite3_open(b':memory:', ctypes.byref(db))
    other.sqlite3_enable_load_extension(db, 1)

first = sqlite3.connect(':memory:')
first.enable_load_extension(True)
first.load_extension(sys.argv[1])
open_other()
print(*load())
print(other.sqlite3_exec(db, b'SELECT sqlbridge_version()', None, None, None))
print(other.sqlite3_exec(db, b'SELECT 1', None, None, None))
print(*first.execute('SELECT sqlbridge_version()').fetchone())
",
        "two-copies",
    );
    let lines: Vec<&str> = answer.lines().collect();
    assert!(
        lines[0].starts_with(
            "1 error during initialization: sqlbridge is already loaded into another copy of \
             SQLite in this process"
        ),
        "{answer}"
    );
    assert_eq!(lines[1..], ["1", "0", VERSION]);
}
