//! What went wrong, before it is a Python exception: a kind, a message, and for capture expressions
//! the line and the position in it.

use nmstate::NmstateError;
use pyo3::prelude::*;

use crate::lines::Line;

#[derive(Debug)]
pub(crate) struct Failure {
    kind: String,
    message: String,
    line: String,
    position: usize,
}

impl Failure {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self {
            kind: kind.to_string(),
            message: message.into(),
            line: String::new(),
            position: 0,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidArgument", message)
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The exception of `libnmstate.errors` for this kind, with the call's log lines.
    pub(crate) fn into_py(self, py: Python<'_>, lines: Vec<Line>) -> PyErr {
        let raised = py
            .import("libnmstate.errors")
            .and_then(|module| module.getattr("from_kind"))
            .and_then(|from_kind| {
                from_kind.call1((self.kind, self.message, self.line, self.position, lines))
            });
        match raised {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }
}

impl From<NmstateError> for Failure {
    fn from(error: NmstateError) -> Self {
        Self {
            kind: format!("{:?}", error.kind()),
            message: error.msg().to_string(),
            line: error.line().to_string(),
            position: error.position(),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        Self::new("DBus", error.to_string())
    }
}

impl From<zbus::zvariant::Error> for Failure {
    fn from(error: zbus::zvariant::Error) -> Self {
        Self::new("DBus", error.to_string())
    }
}
