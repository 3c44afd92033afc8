//! NetworkManager as D-Bus shows it: who owns its name, its version, its checkpoints.
//!
//! Paths of checkpoints start again at /1 whenever NetworkManager starts, so a path means something
//! only together with the unique bus name of the process that made it.

use std::collections::HashMap;

use pyo3::prelude::*;
use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use crate::bus::{bounded, optional, properties, taken};
use crate::call::run;
use crate::failure::Failure;
use crate::lines::Line;

const SERVICE: &str = "org.freedesktop.NetworkManager";
const ROOT: &str = "/org/freedesktop/NetworkManager";
const CHECKPOINT: &str = "org.freedesktop.NetworkManager.Checkpoint";
const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
const DNS_ROOT: &str = "/org/freedesktop/NetworkManager/DnsManager";
const DNS: &str = "org.freedesktop.NetworkManager.DnsManager";
const WHOM: &str = "NetworkManager";

/// path, milliseconds since boot when it was made, names of its devices, seconds until rollback.
type Checkpoint = (String, i64, Vec<String>, u32);
/// unique bus name, version, checkpoints.
type Status = (String, String, Vec<Checkpoint>);

#[pyfunction]
pub(crate) fn networkmanager(
    py: Python<'_>,
    timeout_seconds: f64,
    device_names: bool,
) -> PyResult<(Status, Vec<Line>)> {
    run(py, || bounded(WHOM, timeout_seconds, status(device_names)))
}

/// The name servers in use, as libnmstate's running DNS has them: global ones alone where there are
/// any, else those of the connections by priority, of which a negative one ends the list.
#[pyfunction]
pub(crate) fn name_servers(
    py: Python<'_>,
    timeout_seconds: f64,
) -> PyResult<(Vec<String>, Vec<Line>)> {
    run(py, || bounded(WHOM, timeout_seconds, servers()))
}

async fn servers() -> Result<Vec<String>, Failure> {
    let bus = Connection::system().await?;
    let mut found = properties(&bus, SERVICE, DNS_ROOT, DNS).await?;
    let mut entries: Vec<HashMap<String, OwnedValue>> = taken(&mut found, "Configuration")?;
    let mut by_priority = Vec::with_capacity(entries.len());
    for entry in &mut entries {
        let priority: i32 = optional(entry, "priority")?.unwrap_or_default();
        let interface: String = optional(entry, "interface")?.unwrap_or_default();
        let servers: Vec<String> = optional(entry, "nameservers")?.unwrap_or_default();
        by_priority.push((priority, interface, servers));
    }
    by_priority.sort_by_key(|(priority, _, _)| *priority);
    let global: Vec<String> = by_priority
        .iter()
        .filter(|(_, interface, _)| interface.is_empty())
        .flat_map(|(_, _, servers)| servers.clone())
        .collect();
    if !global.is_empty() {
        return Ok(global);
    }
    let mut all = Vec::new();
    for (priority, interface, servers) in by_priority {
        all.extend(servers.into_iter().map(|server| scoped(server, &interface)));
        if priority < 0 {
            break;
        }
    }
    Ok(all)
}

/// A link-local address means something only together with its interface.
fn scoped(server: String, interface: &str) -> String {
    if server.to_ascii_lowercase().starts_with("fe80:") && !server.contains('%') {
        format!("{server}%{interface}")
    } else {
        server
    }
}

async fn status(device_names: bool) -> Result<Status, Failure> {
    let bus = Connection::system().await?;
    let owner: String = bus
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "GetNameOwner",
            &SERVICE,
        )
        .await?
        .body()
        .deserialize()?;
    let mut manager = properties(&bus, &owner, ROOT, SERVICE).await?;
    let version: String = taken(&mut manager, "Version")?;
    let paths: Vec<OwnedObjectPath> = taken(&mut manager, "Checkpoints")?;
    let mut checkpoints = Vec::with_capacity(paths.len());
    for path in paths {
        // One that ended meanwhile is no checkpoint any more.
        if let Ok(found) = checkpoint(&bus, &owner, path.as_str(), device_names).await {
            checkpoints.push(found);
        }
    }
    Ok((owner, version, checkpoints))
}

async fn checkpoint(
    bus: &Connection,
    owner: &str,
    path: &str,
    device_names: bool,
) -> Result<Checkpoint, Failure> {
    let mut found = properties(bus, owner, path, CHECKPOINT).await?;
    let created: i64 = taken(&mut found, "Created")?;
    let timeout: u32 = taken(&mut found, "RollbackTimeout")?;
    let devices: Vec<OwnedObjectPath> = taken(&mut found, "Devices")?;
    let mut names = Vec::new();
    for device in devices.iter().filter(|_| device_names) {
        // A device may be gone while the checkpoint still names it.
        if let Ok(mut seen) = properties(bus, owner, device.as_str(), DEVICE).await {
            names.push(taken(&mut seen, "Interface")?);
        }
    }
    Ok((path.to_string(), created, names, timeout))
}
