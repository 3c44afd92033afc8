//! Alternative names of an interface, in the kernel alone: libnmstate would write its profile anew.

use std::collections::HashMap;

use nispor::{AltNameConf, IfaceConf, IfaceState, NetConf};
use pyo3::prelude::*;

use crate::call::run;
use crate::failure::Failure;
use crate::lines::Line;

/// Give each interface the names that are true, and take away those that are false.
#[pyfunction]
pub(crate) fn set_alternative_names(
    py: Python<'_>,
    interfaces: HashMap<String, HashMap<String, bool>>,
) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || {
        let mut changes = NetConf::default();
        changes.ifaces = Some(interfaces.into_iter().map(change).collect());
        changes.apply().map_err(|error| {
            Failure::new("PluginFailure", format!("alternative names: {error}"))
        })
    })?;
    Ok(lines)
}

fn change((interface, names): (String, HashMap<String, bool>)) -> IfaceConf {
    let mut change = IfaceConf::default();
    change.name = interface;
    change.state = IfaceState::Unknown; // neither up nor down because of a name
    change.alt_names = names
        .into_iter()
        .map(|(name, there)| AltNameConf::new(name, !there))
        .collect();
    change
}
