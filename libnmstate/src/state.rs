//! Network states from JSON and to JSON.

use nmstate::NetworkState;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Read through a JSON value: a message then speaks of the property, not of a line and column of
/// a text that nobody wrote.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8], what: &str) -> Result<T, Failure> {
    let value: serde_json::Value = serde_json::from_slice(json)
        .map_err(|error| Failure::invalid(format!("the {what} is no valid JSON: {error}")))?;
    serde_json::from_value(value).map_err(|error| Failure::invalid(error.to_string()))
}

pub(crate) fn network_state(json: &[u8], what: &str) -> Result<NetworkState, Failure> {
    parse(json, what)
}

pub(crate) fn dump<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec(value)?)
}
