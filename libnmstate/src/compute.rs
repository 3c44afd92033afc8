//! What only computes: diff, revert, statistic, validate. None of them looks at the host.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::run;
use crate::lines::Line;
use crate::state::{current_state, dump, network_state};

type Answer<'py> = (Bound<'py, PyBytes>, Vec<Line>);

#[pyfunction]
pub(crate) fn diff<'py>(py: Python<'py>, desired: &[u8], current: &[u8]) -> PyResult<Answer<'py>> {
    let (json, lines) = run(py, || {
        let desired = network_state(desired, "desired state")?;
        let current = current_state(current)?;
        dump(&desired.gen_diff(&current)?)
    })?;
    Ok((PyBytes::new(py, &json), lines))
}

#[pyfunction]
pub(crate) fn revert<'py>(
    py: Python<'py>,
    desired: &[u8],
    current: &[u8],
) -> PyResult<Answer<'py>> {
    let (json, lines) = run(py, || {
        let desired = network_state(desired, "desired state")?;
        let current = current_state(current)?;
        dump(&desired.generate_revert(&current)?)
    })?;
    Ok((PyBytes::new(py, &json), lines))
}

#[pyfunction]
pub(crate) fn statistic<'py>(
    py: Python<'py>,
    desired: &[u8],
    current: &[u8],
) -> PyResult<Answer<'py>> {
    let (json, lines) = run(py, || {
        let desired = network_state(desired, "desired state")?;
        let current = current_state(current)?;
        dump(&desired.statistic(&current)?)
    })?;
    Ok((PyBytes::new(py, &json), lines))
}

#[pyfunction]
#[pyo3(signature = (desired, current=None))]
pub(crate) fn validate(
    py: Python<'_>,
    desired: &[u8],
    current: Option<&[u8]>,
) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || {
        let desired = network_state(desired, "desired state")?;
        let current = current.map(current_state).transpose()?;
        Ok(desired.validate(current.as_ref())?)
    })?;
    Ok(lines)
}
