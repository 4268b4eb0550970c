//! From SQLite's threads to asynchronous I/O, and safely through `fork`.
//!
//! One runtime with two threads serves the process, started on first need. A
//! caller never blocks inside a runtime: it hands its future over and waits on a
//! channel, so it may itself be a thread of somebody else's runtime.
//!
//! After `fork` the child has the parent's memory but none of its threads. So
//! whatever belongs to a runtime is kept together with the process that made it
//! ([`PerProcess`]); a child makes its own and never touches, nor drops, the
//! parent's. The cells are lock-free: a lock that another thread held at the
//! moment of `fork` would stay locked in the child for ever.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;

use arc_swap::ArcSwapOption;
use tokio::runtime::{Builder, Handle};

/// A value made on first need, anew in every process.
#[derive(Debug)]
pub(super) struct PerProcess<T> {
    cell: ArcSwapOption<Made<T>>,
}

#[derive(Debug)]
struct Made<T> {
    pid: u32,
    value: T,
}

impl<T: Clone> PerProcess<T> {
    pub(super) const fn new() -> Self {
        Self {
            cell: ArcSwapOption::const_empty(),
        }
    }

    /// This process's value.
    pub(super) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let pid = std::process::id();
        let current = self.cell.load();
        match &*current {
            Some(made) if made.pid == pid => return Ok(made.value.clone()),
            Some(foreign) => leak(foreign),
            None => {}
        }
        let made = Arc::new(Made {
            pid,
            value: make()?,
        });
        let before = self
            .cell
            .compare_and_swap(&current, Some(Arc::clone(&made)));
        match &*before {
            // Another thread was faster; ours goes unused.
            Some(theirs) if theirs.pid == pid => Ok(theirs.value.clone()),
            _ => Ok(made.value.clone()),
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if let Some(made) = &*self.cell.load()
            && made.pid != std::process::id()
        {
            leak(made);
        }
    }
}

/// Keeps a value alive for ever: its destructor would talk to threads that are gone.
fn leak<T>(value: &Arc<T>) {
    std::mem::forget(Arc::clone(value));
}

static RUNTIME: PerProcess<Handle> = PerProcess::new();

fn start() -> std::io::Result<Handle> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .thread_name("sqlbridge-io")
        .enable_io()
        .enable_time()
        .build()?;
    let handle = runtime.handle().clone();
    // It lives as long as the process: nobody could wait for its end at exit.
    std::mem::forget(runtime);
    Ok(handle)
}

/// Runs `future` on the I/O threads and waits for what it gives.
///
/// # Errors
/// A sentence where no I/O thread could be started, or the future broke off.
pub(super) fn run<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, Broken> {
    let handle = RUNTIME
        .get_or_make(start)
        .map_err(|e| Broken::NotStarted(e.to_string()))?;
    let (sender, receiver) = mpsc::sync_channel(1);
    handle.spawn(async move {
        let _ = sender.send(future.await);
    });
    receiver.recv().map_err(|_| Broken::Halfway)
}

/// Why [`run`] gave nothing.
#[derive(Debug)]
pub(super) enum Broken {
    /// No thread could be started; nothing was done.
    NotStarted(String),
    /// The future ended without a result.
    Halfway,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_futures_from_any_thread_even_inside_a_runtime() {
        assert_eq!(run(async { 1 + 1 }).unwrap(), 2);
        let outer = Builder::new_current_thread().build().unwrap();
        let inner = outer.block_on(async {
            run(async {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                std::thread::current().name().map(str::to_owned)
            })
        });
        assert_eq!(inner.unwrap().as_deref(), Some("sqlbridge-io"));
    }

    #[test]
    fn a_future_that_breaks_off_is_an_error() {
        std::panic::set_hook(Box::new(|_| ()));
        let broken = run(async { panic!("on purpose") });
        let _ = std::panic::take_hook();
        assert!(matches!(broken, Err::<(), _>(Broken::Halfway)));
    }

    #[test]
    fn a_value_of_another_process_is_neither_used_nor_dropped() {
        struct Bell(Arc<std::sync::atomic::AtomicBool>);
        impl Drop for Bell {
            fn drop(&mut self) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let cell = PerProcess::new();
        let pid = std::process::id() + 1;
        cell.cell.store(Some(Arc::new(Made {
            pid,
            value: Arc::new(Bell(dropped.clone())),
        })));
        let own = Arc::new(Bell(Arc::default()));
        let got = cell.get_or_make(|| Ok::<_, ()>(Arc::clone(&own))).unwrap();
        assert!(Arc::ptr_eq(&got, &own));
        let again = cell.get_or_make(|| Err(())).unwrap();
        assert!(Arc::ptr_eq(&again, &own));
        drop(cell);
        assert!(!dropped.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[test]
    fn a_failure_to_make_is_tried_again() {
        let cell = PerProcess::new();
        assert_eq!(cell.get_or_make(|| Err("no")), Err("no"));
        assert_eq!(cell.get_or_make(|| Ok::<_, &str>(7)), Ok(7));
    }
}
