//! Captures (nmpolicy): expressions resolved against a current state, and their results filled into
//! a desired state that refers to them. Kept apart, so that captured states can be kept and used again.

use std::collections::HashMap;

use nmstate::{NetworkCaptureRules, NetworkState, NetworkStateTemplate};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::run;
use crate::lines::Line;
use crate::state::{dump, network_state, parse};

type Answer<'py> = (Bound<'py, PyBytes>, Vec<Line>);

/// {name: expression} and a current state give {name: state}.
#[pyfunction]
pub(crate) fn captures<'py>(
    py: Python<'py>,
    expressions: &[u8],
    current: &[u8],
) -> PyResult<Answer<'py>> {
    let (json, lines) = run(py, || {
        let rules: NetworkCaptureRules = parse(expressions, "capture")?;
        let current = network_state(current, "current state")?;
        dump(&rules.execute(&current)?)
    })?;
    Ok((PyBytes::new(py, &json), lines))
}

/// A desired state with `{{ capture.NAME.path }}` and {name: state} give the desired state.
#[pyfunction]
pub(crate) fn fill<'py>(
    py: Python<'py>,
    template: &[u8],
    captured: &[u8],
) -> PyResult<Answer<'py>> {
    let (json, lines) = run(py, || {
        let template: NetworkStateTemplate = parse(template, "desired state")?;
        let captured: HashMap<String, NetworkState> = parse(captured, "captured state")?;
        dump(&template.fill_with_captured_data(&captured)?)
    })?;
    Ok((PyBytes::new(py, &json), lines))
}
