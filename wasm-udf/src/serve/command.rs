//! A command at work: a program that runs from its beginning to its end while a statement reads
//! what it writes, line by line.
//!
//! The program runs on a stack of its own, so that the statement can stop it wherever it has written a
//! line, and let it go on for the next. Its SQL is run here, on the statement's stack, with the
//! statement's connection.
//!
//! While the program has a transaction open, or rows of a statement that changes something, its
//! lines are kept: the caller's own statements must not run in the middle of that. When the statement
//! ends early the program ends where it is, and what it has left open is undone.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use sqlite_abi::{Connection, FunctionError, InterruptProbe, Interrupter, Lent, Scan, ValueRef};

use super::options::Options;
use super::program::Program;
use super::turns::{Line, Stream, Turns};
use crate::error::{Error, Result};
use crate::guest::{Guest, Role, Spent, Stopped, size_text, too_deep};
use crate::nesting::{Nesting, has_stack_for_sql};
use crate::process::{Process, Stack};
use crate::sqlproxy::Proxy;
use crate::world::{Given, Output, World};

/// How a program ended: its exit status, or what the statement fails with.
type Outcome = Result<i32>;

/// See the module's documentation.
pub(super) struct Command {
    // The program goes first, then what it has on the connection.
    running: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    proxy: Option<Proxy>,
    turns: Arc<Turns>,
    probe: Arc<InterruptProbe>,
    spent: Arc<Spent>,
    process: Arc<Process>,
    title: Arc<str>,
    most: std::time::Duration,
    /// How it ended, until that is a row.
    outcome: Option<Outcome>,
    row: Row,
}

/// The row that is read.
enum Row {
    None,
    Line(Line),
    Exit(String),
}

impl Command {
    /// Starts a program: it runs when rows are asked for.
    pub(super) fn new(
        process: &Arc<Process>,
        program: &Program,
        options: &Options,
        proxy: Option<Proxy>,
    ) -> Self {
        let turns = Arc::new(Turns::new(options.terms.limits.output));
        let spent = Arc::<Spent>::default();
        let mut guest = Guest::new(
            &program.title,
            Role::Command,
            options.terms,
            process,
            None,
            &spent,
        );
        guest.world = World {
            given: given(&program.name, options),
            output: Output::Lines(Arc::clone(&turns)),
            ..World::default()
        };
        if let Some(proxy) = &proxy {
            guest.interrupts_itself = Arc::clone(proxy.interrupted());
        }
        guest.stack = program.stack;
        let probe = Arc::clone(&guest.probe);
        let pre = program.pre.clone();
        let running = async move {
            let mut store = guest.into_store(pre.module().engine());
            let run = async {
                let instance = pre.instantiate_async(&mut store).await?;
                let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
                start.call_async(&mut store, ()).await
            };
            match run.await {
                Ok(()) => Ok(0),
                Err(error) => match store.data().stopped {
                    Some(Stopped::Exited(status)) => Ok(status),
                    _ => Err(store.data_mut().explain(&error)),
                },
            }
        };
        Self {
            running: Some(Box::pin(running)),
            proxy,
            turns,
            probe,
            spent,
            process: Arc::clone(process),
            title: Arc::clone(&program.title),
            most: options.terms.limits.call,
            outcome: None,
            row: Row::None,
        }
    }

    /// Runs the program to its end; gives what it wrote to standard output, without the last end of a line.
    ///
    /// # Errors
    /// A trap or a limit, an exit status other than 0, each with the end of what the program wrote to standard
    /// error; and more output than is allowed.
    pub(super) fn finish(mut self, lent: &Lent) -> std::result::Result<Vec<u8>, FunctionError> {
        let mut written = Vec::new();
        let mut said = Output::Last(VecDeque::new());
        loop {
            while let Some(line) = self.turns.line() {
                let bytes = [line.bytes.as_slice(), b"\n"].concat();
                match line.stream {
                    Stream::Stdout => written.extend_from_slice(&bytes),
                    Stream::Stderr => said.keep(&bytes),
                }
            }
            if written.len() > self.turns.most() + 1 {
                return Err(Error::Limit {
                    guest: self.title.to_string(),
                    limit: "output",
                    value: size_text(self.turns.most()),
                    advice: "; set \"output\" to allow more",
                }
                .into());
            }
            let failed = match self.outcome.take() {
                None => {
                    self.go_on(lent)?;
                    continue;
                }
                Some(Ok(0)) => {
                    written.pop();
                    return Ok(written);
                }
                Some(Ok(status)) => Error::Failed {
                    guest: self.title.to_string(),
                    message: format!("the program ended itself with exit code {status}"),
                },
                Some(Err(error)) => error,
            };
            let message = format!("{failed}{}", said.last_words());
            return Err(FunctionError::new(message).with_code(failed.code()));
        }
    }

    /// Lets the program run until it has lines, or has ended.
    fn go_on(&mut self, lent: &Lent) -> Result<()> {
        let title = Arc::clone(&self.title);
        let internal = |reason| Error::Internal {
            guest: title.to_string(),
            reason,
        };
        let _alive = self.process.instance_begins().map_err(internal)?;
        let _nesting = Nesting::enter_beside()
            .map_err(|stopped| too_deep(title.to_string(), &stopped, Stack::Small))?;
        let probe = Arc::clone(&self.probe);
        let outcome = lent.with(|connection| {
            connection.with_interrupter(|interrupter| {
                connection.with_probe(&probe, || self.take_turns(lent, interrupter))
            })
        });
        self.outcome = outcome.map_err(|error| internal(error.message))?;
        if self.outcome.is_some() {
            // What it has left open is undone.
            self.proxy = None;
            self.turns.end();
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    fn take_turns(&mut self, lent: &Lent, interrupter: &Arc<Interrupter>) -> Option<Outcome> {
        let deadline = Instant::now() + self.most.saturating_sub(self.spent.get());
        let mut context = Context::from_waker(Waker::noop());
        let mut watch = None;
        loop {
            // The program itself knows only the time since it was let go on last.
            let _turn = Turn(Instant::now(), &self.spent);
            let running = self.running.as_mut()?;
            if let Poll::Ready(outcome) = running.as_mut().poll(&mut context) {
                self.running = None;
                return Some(outcome);
            }
            let mut request = self.turns.request()?;
            let process = &self.process;
            let watch = watch.get_or_insert_with(|| process.watch(deadline, interrupter));
            if let Some(proxy) = &mut self.proxy {
                if has_stack_for_sql() {
                    let answer = &mut request.answer;
                    watch.during(|| proxy.handle_into(lent, &request.bytes, answer));
                    self.turns.hold(proxy.is_changing());
                    self.turns.reply(request);
                    if watch.has_fired() {
                        self.turns.stop(Stopped::CallTime);
                    }
                } else {
                    self.turns.stop(Stopped::NativeStack);
                }
            }
            if self.turns.has_lines() {
                return None;
            }
        }
    }
}

/// Adds a turn's time to what was spent, however it ends.
struct Turn<'s>(Instant, &'s Spent);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.1.add(self.0.elapsed());
    }
}

/// What a program is started with: its name comes first.
pub(super) fn given(name: &str, options: &Options) -> Arc<Given> {
    let mut given = options.given.clone();
    given.arguments.insert(0, name.replace('\0', ""));
    Arc::new(given)
}

impl Scan for Command {
    fn advance(&mut self, connection: &Connection<'_>) -> std::result::Result<bool, FunctionError> {
        connection.lend(|lent| self.advance_lent(lent))
    }

    fn advance_lent(&mut self, lent: &Lent) -> std::result::Result<bool, FunctionError> {
        self.row = Row::None;
        loop {
            if let Some(line) = self.turns.line() {
                self.row = Row::Line(line);
                return Ok(true);
            }
            match self.outcome.take() {
                Some(Ok(status)) => {
                    self.row = Row::Exit(status.to_string());
                    return Ok(true);
                }
                Some(Err(error)) => return Err(error.into()),
                None if self.running.is_none() => return Ok(false),
                None => self.go_on(lent)?,
            }
        }
    }

    fn value(&self, column: usize) -> ValueRef<'_> {
        match (&self.row, column) {
            (Row::Line(line), 0) => ValueRef::Text(match line.stream {
                Stream::Stdout => b"stdout",
                Stream::Stderr => b"stderr",
            }),
            // What is no text is still given whole.
            (Row::Line(line), 1) => match std::str::from_utf8(&line.bytes) {
                Ok(_) => ValueRef::Text(&line.bytes),
                Err(_) => ValueRef::Blob(&line.bytes),
            },
            (Row::Exit(_), 0) => ValueRef::Text(b"exit"),
            (Row::Exit(status), 1) => ValueRef::Text(status.as_bytes()),
            _ => ValueRef::Null,
        }
    }
}
