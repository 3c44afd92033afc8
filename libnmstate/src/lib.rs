//! libnmstate for Python: the functions of the `nmstate` crate, JSON bytes in and out.
//!
//! Each function releases the GIL while libnmstate works, turns its errors and panics into Python
//! exceptions by kind (`libnmstate.errors`), and hands over the log lines that the call produced.
//! The Python package around it (`python/libnmstate`) gives them types, defaults and Python data.

mod alt_names;
mod bus;
mod call;
mod compute;
mod failure;
mod host;
mod hostname;
mod lines;
mod networkmanager;
mod policy;
mod signals;
mod state;
mod systemd;

use pyo3::prelude::*;

/// The version of the nmstate crate, which Cargo.toml pins.
const NMSTATE_VERSION: &str = "2.2.62";

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lines::install();
    module.add("NMSTATE_VERSION", NMSTATE_VERSION)?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(lines::set_log_level, module)?)?;
    module.add_function(wrap_pyfunction!(host::show, module)?)?;
    module.add_function(wrap_pyfunction!(host::apply, module)?)?;
    module.add_function(wrap_pyfunction!(host::commit, module)?)?;
    module.add_function(wrap_pyfunction!(host::rollback, module)?)?;
    module.add_function(wrap_pyfunction!(compute::diff, module)?)?;
    module.add_function(wrap_pyfunction!(compute::revert, module)?)?;
    module.add_function(wrap_pyfunction!(compute::statistic, module)?)?;
    module.add_function(wrap_pyfunction!(compute::validate, module)?)?;
    module.add_function(wrap_pyfunction!(policy::captures, module)?)?;
    module.add_function(wrap_pyfunction!(policy::fill, module)?)?;
    module.add_function(wrap_pyfunction!(networkmanager::networkmanager, module)?)?;
    module.add_function(wrap_pyfunction!(networkmanager::name_servers, module)?)?;
    module.add_function(wrap_pyfunction!(hostname::set_hostname, module)?)?;
    module.add_function(wrap_pyfunction!(alt_names::set_alternative_names, module)?)?;
    module.add_function(wrap_pyfunction!(systemd::unit_wants, module)?)?;
    module.add_function(wrap_pyfunction!(systemd::reload_units, module)?)?;
    module.add_function(wrap_pyfunction!(systemd::restart_unit, module)?)?;
    module.add_class::<signals::Signals>()?;
    Ok(())
}
