//! Network states from JSON and to JSON.

use std::collections::HashMap;

use nmstate::{InterfaceType, NetworkState};
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

/// A node's state, with what libnmstate's JSON leaves out: of what type an interface's controller is.
/// Without it a port of a VRF counts as one of a bridge, and its addresses are refused.
pub(crate) fn current_state(json: &[u8]) -> Result<NetworkState, Failure> {
    let mut state = network_state(json, "current state")?;
    let types: HashMap<_, _> = state
        .interfaces
        .iter()
        // An OVS bridge and its interface may share a name; ports belong to the bridge.
        .filter(|iface| iface.iface_type() != InterfaceType::OvsInterface)
        .map(|iface| (iface.name().to_string(), iface.iface_type()))
        .collect();
    for iface in state.interfaces.iter_mut() {
        let base = iface.base_iface_mut();
        if let Some(controller) = &base.controller {
            base.controller_type = types.get(controller).cloned();
        }
    }
    Ok(state)
}

pub(crate) fn dump<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec(value)?)
}
