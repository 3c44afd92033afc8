//! One call into libnmstate: without the GIL, its log lines kept, its panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

use crate::failure::Failure;
use crate::lines::{self, Line};

/// Run `work` without the GIL. Gives what it made and the log lines, or raises with these lines.
pub(crate) fn run<T, F>(py: Python<'_>, work: F) -> PyResult<(T, Vec<Line>)>
where
    T: Send,
    F: FnOnce() -> Result<T, Failure> + Send,
{
    let (outcome, lines) = py.detach(|| {
        lines::begin();
        let outcome = catch_unwind(AssertUnwindSafe(work));
        (
            outcome.map_err(|panic| panic_text(panic.as_ref())),
            lines::end(),
        )
    });
    match outcome {
        Ok(Ok(value)) => Ok((value, lines)),
        Ok(Err(failure)) => Err(failure.into_py(py, lines)),
        Err(text) => {
            Err(Failure::new("Bug", format!("libnmstate panicked: {text}")).into_py(py, lines))
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}
