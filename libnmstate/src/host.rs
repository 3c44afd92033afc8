//! What touches the host: show, apply, commit, rollback.

use nmstate::NetworkState;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::run;
use crate::failure::Failure;
use crate::hostname;
use crate::lines::Line;
use crate::state::{dump, network_state};

type Answer<'py> = (Bound<'py, PyBytes>, Vec<Line>);

#[pyfunction]
#[pyo3(signature = (*, kernel_only, running_config_only, include_secrets))]
pub(crate) fn show(
    py: Python<'_>,
    kernel_only: bool,
    running_config_only: bool,
    include_secrets: bool,
) -> PyResult<Answer<'_>> {
    let (json, lines) = run(py, || {
        let mut state = NetworkState::new();
        state
            .set_kernel_only(kernel_only)
            .set_running_config_only(running_config_only)
            .set_include_secrets(include_secrets);
        state.retrieve()?;
        if hostname::elsewhere()
            && let Some(name) = state.hostname.as_mut()
        {
            name.config = Some(hostname::configured());
        }
        dump(&state)
    })?;
    Ok((PyBytes::new(py, &json), lines))
}

#[pyfunction]
#[pyo3(signature = (desired, *, kernel_only, verify, commit, rollback_timeout, memory_only))]
pub(crate) fn apply(
    py: Python<'_>,
    desired: &[u8],
    kernel_only: bool,
    verify: bool,
    commit: bool,
    rollback_timeout: Option<u32>,
    memory_only: bool,
) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || {
        let mut state = network_state(desired, "desired state")?;
        let name = if hostname::elsewhere() {
            state.hostname.take()
        } else {
            None
        };
        state
            .set_kernel_only(kernel_only)
            .set_verify_change(verify)
            .set_commit(commit)
            .set_memory_only(memory_only);
        if let Some(seconds) = rollback_timeout {
            state.set_timeout(seconds);
        }
        state.apply()?;
        name.map_or(Ok(()), |name| hostname::set(&name))
    })?;
    Ok(lines)
}

#[pyfunction]
pub(crate) fn commit(py: Python<'_>, checkpoint: &str) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || {
        named(checkpoint)?;
        Ok(NetworkState::checkpoint_commit(checkpoint)?)
    })?;
    Ok(lines)
}

#[pyfunction]
pub(crate) fn rollback(py: Python<'_>, checkpoint: &str) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || {
        named(checkpoint)?;
        Ok(NetworkState::checkpoint_rollback(checkpoint)?)
    })?;
    Ok(lines)
}

/// libnmstate takes an empty path for the first checkpoint that NetworkManager has, whoever made it.
fn named(checkpoint: &str) -> Result<(), Failure> {
    if checkpoint.is_empty() {
        return Err(Failure::invalid(
            "the path of a checkpoint must not be empty",
        ));
    }
    Ok(())
}
