//! systemd as D-Bus shows it: what a unit wants, units read anew, a unit restarted.

use std::pin::Pin;

use pyo3::prelude::*;
use zbus::export::futures_core::Stream;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, MatchRule, Message, MessageStream, message};

use crate::bus::{bounded, properties, taken};
use crate::call::run;
use crate::failure::Failure;
use crate::lines::Line;

const SERVICE: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// Signals kept while we look: more jobs than these do not end within one restart.
const QUEUED: usize = 256;

/// The units that a unit wants, as systemd knows it now, which need not be what lies on the disk.
#[pyfunction]
pub(crate) fn unit_wants(
    py: Python<'_>,
    unit: &str,
    timeout_seconds: f64,
) -> PyResult<(Vec<String>, Vec<Line>)> {
    run(py, || bounded("systemd", timeout_seconds, wants(unit)))
}

/// Read all units anew.
#[pyfunction]
pub(crate) fn reload_units(py: Python<'_>, timeout_seconds: f64) -> PyResult<Vec<Line>> {
    let ((), lines) = run(py, || bounded("systemd", timeout_seconds, reload()))?;
    Ok(lines)
}

/// Restart a unit and wait for the end: how it ended, `done` where all is well.
#[pyfunction]
pub(crate) fn restart_unit(
    py: Python<'_>,
    unit: &str,
    timeout_seconds: f64,
) -> PyResult<(String, Vec<Line>)> {
    run(py, || bounded("systemd", timeout_seconds, restart(unit)))
}

async fn wants(unit: &str) -> Result<Vec<String>, Failure> {
    let bus = Connection::system().await?;
    let path: OwnedObjectPath = ask(&bus, "LoadUnit", &unit).await?.body().deserialize()?;
    let mut found = properties(&bus, SERVICE, path.as_str(), UNIT).await?;
    taken(&mut found, "Wants")
}

async fn reload() -> Result<(), Failure> {
    ask(&Connection::system().await?, "Reload", &()).await?;
    Ok(())
}

async fn restart(unit: &str) -> Result<String, Failure> {
    let bus = Connection::system().await?;
    ask(&bus, "Subscribe", &()).await?;
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender(SERVICE)?
        .interface(MANAGER)?
        .member("JobRemoved")?
        .build();
    let mut ended = MessageStream::for_match_rule(rule, &bus, Some(QUEUED)).await?;
    // A unit that was killed too often in a short time is not started any more, unless that is forgotten.
    if let Err(error) = ask(&bus, "ResetFailedUnit", &unit).await {
        log::debug!("{unit} has no failures to forget: {}", error.message());
    }
    let job: OwnedObjectPath = ask(&bus, "RestartUnit", &(unit, "replace"))
        .await?
        .body()
        .deserialize()?;
    while let Some(signal) = next(&mut ended).await {
        let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
            signal?.body().deserialize()?;
        if path == job {
            return Ok(result);
        }
    }
    Err(Failure::new("DBus", "the system bus closed the connection"))
}

async fn ask<B>(bus: &Connection, method: &str, body: &B) -> Result<Message, Failure>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    Ok(bus
        .call_method(Some(SERVICE), ROOT, Some(MANAGER), method, body)
        .await?)
}

async fn next(stream: &mut MessageStream) -> Option<zbus::Result<Message>> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
