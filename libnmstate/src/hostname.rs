//! The machine's name, on its disk and in its kernel.
//!
//! libnmstate reads /etc/hostname, which in a container is another file than the host's, and compares
//! with it after an apply. Where the host's /etc is mounted at /host/etc, the name is read, set and
//! verified here, and libnmstate is given the rest. NetworkManager's own property is no help: it does
//! not see that somebody edits the file.

use std::path::Path;
use std::time::Duration;

use nmstate::HostNameState;
use pyo3::prelude::*;
use zbus::Connection;

use crate::bus::bounded;
use crate::call::run;
use crate::failure::Failure;
use crate::lines::Line;

const NETWORKMANAGER: &str = "org.freedesktop.NetworkManager";
const SETTINGS_PATH: &str = "/org/freedesktop/NetworkManager/Settings";
const SETTINGS: &str = "org.freedesktop.NetworkManager.Settings";
const HOSTNAMED: &str = "org.freedesktop.hostname1";
const MOUNT: &str = "/host/etc";
const KERNEL: &str = "/proc/sys/kernel/hostname";
const SECONDS: f64 = 30.0;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOKS: u32 = 100;

/// Set the machine's name: the kernel's, the one on the disk (empty: none), or both.
#[pyfunction]
pub(crate) fn set_hostname(
    py: Python<'_>,
    running: Option<String>,
    config: Option<String>,
) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || {
        let mut name = HostNameState::default();
        name.running = running;
        name.config = config;
        set(&name)
    })?;
    Ok(lines)
}

/// Both names are as given when this returns.
pub(crate) fn set(name: &HostNameState) -> Result<(), Failure> {
    if let Some(config) = &name.config {
        bounded("NetworkManager", SECONDS, save(config))?;
    }
    if let Some(running) = &name.running {
        std::fs::write(KERNEL, running).map_err(|error| {
            Failure::new("PluginFailure", format!("hostname {running}: {error}"))
        })?;
    }
    Ok(())
}

/// The name on the disk, empty where there is none.
pub(crate) fn configured() -> String {
    let file = Path::new(if elsewhere() { MOUNT } else { "/etc" }).join("hostname");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().to_string()
}

/// Whether the host's files are not at their own places.
pub(crate) fn elsewhere() -> bool {
    Path::new(MOUNT).is_dir()
}

async fn save(name: &str) -> Result<(), Failure> {
    let bus = Connection::system().await?;
    if name.is_empty() {
        // NetworkManager takes no empty name.
        bus.call_method(
            Some(HOSTNAMED),
            "/org/freedesktop/hostname1",
            Some(HOSTNAMED),
            "SetStaticHostname",
            &("", false),
        )
        .await?;
    } else {
        bus.call_method(
            Some(NETWORKMANAGER),
            SETTINGS_PATH,
            Some(SETTINGS),
            "SaveHostname",
            &name,
        )
        .await?;
    }
    for _ in 0..LOOKS {
        if configured() == name {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(Failure::new(
        "VerificationError",
        format!(
            "hostname.config: desired {name:?}, on the disk is {:?}",
            configured()
        ),
    ))
}
