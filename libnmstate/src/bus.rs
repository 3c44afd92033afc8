//! Questions to the system bus: each on a connection and a runtime of its own, each bounded in time.

use std::collections::HashMap;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use zbus::Connection;
use zbus::zvariant::OwnedValue;

use crate::failure::Failure;

/// The bounds of what one question to the bus may take.
const SECONDS: std::ops::RangeInclusive<f64> = 0.001..=600.0;

/// The answer of `question`, or a failure that says who did not answer in time.
pub(crate) fn bounded<T>(
    whom: &str,
    seconds: f64,
    question: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    bounded_by(&runtime()?, whom, seconds, question)
}

/// The same on a runtime that lives longer.
pub(crate) fn bounded_by<T>(
    runtime: &Runtime,
    whom: &str,
    seconds: f64,
    question: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let within = duration(seconds)?;
    runtime.block_on(async {
        tokio::time::timeout(within, question).await.map_err(|_| {
            Failure::new(
                "DBus",
                format!("{whom} did not answer on D-Bus within {seconds} s"),
            )
        })?
    })
}

pub(crate) fn duration(seconds: f64) -> Result<Duration, Failure> {
    if !SECONDS.contains(&seconds) {
        return Err(Failure::invalid(format!(
            "timeout_seconds: {seconds} is out of range"
        )));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// For one thread at a time, which runs it where it waits.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Failure::new("DBus", error.to_string()))
}

pub(crate) async fn properties(
    bus: &Connection,
    owner: &str,
    path: &str,
    interface: &str,
) -> Result<HashMap<String, OwnedValue>, Failure> {
    Ok(bus
        .call_method(
            Some(owner),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "GetAll",
            &interface,
        )
        .await?
        .body()
        .deserialize()?)
}

pub(crate) fn optional<T>(
    found: &mut HashMap<String, OwnedValue>,
    name: &str,
) -> Result<Option<T>, Failure>
where
    T: TryFrom<OwnedValue>,
    T::Error: std::fmt::Display,
{
    if found.contains_key(name) {
        return taken(found, name).map(Some);
    }
    Ok(None)
}

pub(crate) fn taken<T>(found: &mut HashMap<String, OwnedValue>, name: &str) -> Result<T, Failure>
where
    T: TryFrom<OwnedValue>,
    T::Error: std::fmt::Display,
{
    let value = found
        .remove(name)
        .ok_or_else(|| Failure::new("DBus", format!("there is no property {name}")))?;
    T::try_from(value).map_err(|error| Failure::new("DBus", format!("{name}: {error}")))
}
