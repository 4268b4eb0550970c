//! Aggregate and window functions: <https://www.sqlite.org/c3ref/create_function.html>,
//! <https://www.sqlite.org/windowfunctions.html#udfwinfunc>.

use std::ffi::c_int;
use std::ptr;

use crate::api::call;
use crate::bindings as c;
use crate::connection::name;
use crate::context::Context;
use crate::function::{Arguments, destroy, run};
use crate::guard::guard_or;
use crate::{Connection, Error, FunctionError, FunctionFlags};

/// An aggregate function: a state for each group of rows.
pub trait Aggregate: Send + Sync + 'static {
    /// What is known of a group.
    type State: Send + 'static;

    /// The state of a group without rows.
    ///
    /// # Errors
    /// What the statement fails with; so for all methods.
    fn start(&self, context: &Context<'_>) -> Result<Self::State, FunctionError>;

    /// Adds a row.
    ///
    /// # Errors
    /// As [`Aggregate::start`].
    fn step(
        &self,
        context: &Context<'_>,
        state: &mut Self::State,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError>;

    /// Sets the result of a group. Also called, with the result ignored, for a group that a
    /// statement leaves unfinished.
    ///
    /// # Errors
    /// As [`Aggregate::start`].
    fn finish(&self, context: &Context<'_>, state: Self::State) -> Result<(), FunctionError>;

    /// Sets the result of the window as it is.
    ///
    /// # Errors
    /// As [`Aggregate::start`].
    fn value(&self, _context: &Context<'_>, _state: &mut Self::State) -> Result<(), FunctionError> {
        Err("this aggregate has no value of a window".into())
    }

    /// Removes the oldest row of a window.
    ///
    /// # Errors
    /// As [`Aggregate::start`].
    fn inverse(
        &self,
        _context: &Context<'_>,
        _state: &mut Self::State,
        _arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        Err("this aggregate cannot take rows out of a window".into())
    }
}

struct Registered<A> {
    name: String,
    aggregate: A,
}

impl Connection<'_> {
    /// Creates or replaces an aggregate function of `arguments` arguments (-1: any number). With
    /// `window` it may be used with `OVER`, and needs [`Aggregate::value`] and
    /// [`Aggregate::inverse`].
    ///
    /// # Errors
    /// SQLite's: a name that is too long, or a function of that name that is running.
    pub fn create_aggregate<A: Aggregate>(
        &self,
        function: &str,
        arguments: i32,
        flags: FunctionFlags,
        window: bool,
        aggregate: A,
    ) -> Result<(), Error> {
        let c_name = name(function)?;
        let registered = Box::new(Registered {
            name: function.to_owned(),
            aggregate,
        });
        // SAFETY: the connection is open; the callbacks fit the boxed type, which SQLite destroys
        // once, also where this call fails. xValue and xInverse are both given or both not.
        let code = unsafe {
            call!(create_window_function(
                self.raw(),
                c_name.as_ptr(),
                arguments,
                flags.bits(),
                Box::into_raw(registered).cast(),
                Some(step::<A>),
                Some(finish::<A>),
                window.then_some(value::<A> as unsafe extern "C" fn(_)),
                window.then_some(inverse::<A> as unsafe extern "C" fn(_, _, _)),
                Some(destroy::<Registered<A>>),
            ))
        };
        self.check(code)
    }
}

/// Calls `body` with the context, the function and the place where SQLite keeps the group's
/// state: null where the group has none yet and `reserve` is false.
///
/// # Safety
/// `context` is the one SQLite passes to a callback of an aggregate registered as `A`.
unsafe fn with<A: Aggregate>(
    context: *mut c::sqlite3_context,
    in_program: bool,
    reserve: bool,
    body: impl FnOnce(&Context<'_>, &A, *mut *mut A::State) -> Result<(), FunctionError>,
) {
    guard_or("an aggregate", (), || {
        // SAFETY: as promised; the function's data is what was registered with this trampoline.
        let (context, registered) = unsafe {
            let Some(context) = Context::new(context, in_program) else {
                return;
            };
            let data = call!(user_data(context.raw())).cast::<Registered<A>>();
            (context, data.as_ref())
        };
        let Some(registered) = registered else { return };
        let size = if reserve {
            size_of::<*mut A::State>()
        } else {
            0
        };
        // SAFETY: the context of a running aggregate; the block is zeroed when it is made and has
        // room for one pointer.
        let place = unsafe { call!(aggregate_context(context.raw(), size as c_int)) };
        run(&context, &registered.name, || {
            body(&context, &registered.aggregate, place.cast())
        });
    });
}

/// The state in its place, begun if there is none.
///
/// # Safety
/// `place` is null or SQLite's block for this group.
unsafe fn state<'s, A: Aggregate>(
    context: &Context<'_>,
    aggregate: &A,
    place: *mut *mut A::State,
) -> Result<&'s mut A::State, FunctionError> {
    // SAFETY: as promised; a pointer in it is the box of this group, which only these callbacks
    // reach, one at a time.
    unsafe {
        let Some(place) = place.as_mut() else {
            return Err(FunctionError::new("out of memory").with_code(crate::Code::NOMEM));
        };
        if place.is_null() {
            *place = Box::into_raw(Box::new(aggregate.start(context)?));
        }
        Ok(&mut **place)
    }
}

/// `xStep`.
unsafe extern "C" fn step<A: Aggregate>(
    context: *mut c::sqlite3_context,
    count: c_int,
    values: *mut *mut c::sqlite3_value,
) {
    // SAFETY: SQLite's own arguments.
    unsafe {
        with::<A>(context, true, true, |context, aggregate, place| {
            let state = state(context, aggregate, place)?;
            aggregate.step(context, state, &Arguments::new(count, values))
        });
    }
}

/// `xFinal`. A group that never had a row has no state: it is begun here, so that it has a result.
unsafe extern "C" fn finish<A: Aggregate>(context: *mut c::sqlite3_context) {
    // SAFETY: SQLite's own argument; the box is taken out of its place, so it is freed once.
    unsafe {
        with::<A>(context, false, false, |context, aggregate, place| {
            let boxed = match place.as_mut() {
                Some(place) => ptr::replace(place, ptr::null_mut()),
                None => ptr::null_mut(),
            };
            let state = if boxed.is_null() {
                aggregate.start(context)?
            } else {
                *Box::from_raw(boxed)
            };
            aggregate.finish(context, state)
        });
    }
}

/// `xValue`.
unsafe extern "C" fn value<A: Aggregate>(context: *mut c::sqlite3_context) {
    // SAFETY: SQLite's own argument.
    unsafe {
        with::<A>(context, false, true, |context, aggregate, place| {
            aggregate.value(context, state(context, aggregate, place)?)
        });
    }
}

/// `xInverse`.
unsafe extern "C" fn inverse<A: Aggregate>(
    context: *mut c::sqlite3_context,
    count: c_int,
    values: *mut *mut c::sqlite3_value,
) {
    // SAFETY: SQLite's own arguments.
    unsafe {
        with::<A>(context, true, true, |context, aggregate, place| {
            let state = state(context, aggregate, place)?;
            aggregate.inverse(context, state, &Arguments::new(count, values))
        });
    }
}
