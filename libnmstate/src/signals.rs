//! What NetworkManager tells of by itself and the kernel does not: DNS servers, LLDP neighbours.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use zbus::export::futures_core::Stream;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, MatchRule, Message, MessageStream, message};

use crate::bus::{bounded_by, duration, runtime};
use crate::call::run;
use crate::failure::Failure;
use crate::lines::Line;

const SERVICE: &str = "org.freedesktop.NetworkManager";
const DNS: &str = "org.freedesktop.NetworkManager.DnsManager";
const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
const NEIGHBORS: &str = "LldpNeighbors";
/// Signals kept while nobody waits: one of a kind is as good as many, but a burst must not lose the last one.
const QUEUED: usize = 256;

/// A connection to the system bus that listens until it is closed. One thread waits, any may close it.
#[pyclass(frozen)]
pub(crate) struct Signals {
    ear: Mutex<Ear>,
    closed: Notify,
}

struct Ear {
    runtime: Runtime,
    /// What each stream is about, and which property must have changed; empty: any.
    streams: Vec<(&'static str, &'static str, MessageStream)>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        // Streams take back their match rules by a task of the runtime.
        let _inside = self.runtime.enter();
        self.streams.clear();
    }
}

#[pymethods]
impl Signals {
    /// Listen from now on.
    #[new]
    fn new(py: Python<'_>, timeout_seconds: f64) -> PyResult<Self> {
        let (ear, _) = run(py, || {
            let runtime = runtime()?;
            let streams = bounded_by(&runtime, "the system bus", timeout_seconds, listen())?;
            Ok(Ear { runtime, streams })
        })?;
        Ok(Self {
            ear: Mutex::new(ear),
            closed: Notify::new(),
        })
    }

    /// What changed: `dns`, `lldp`; empty: nothing did in this time, or it was closed.
    fn wait(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<(&'static str, Vec<Line>)> {
        run(py, || {
            let within = duration(timeout_seconds)?;
            let mut ear = self
                .ear
                .lock()
                .map_err(|_| Failure::new("Bug", "a wait for signals panicked".to_string()))?;
            let Ear { runtime, streams } = &mut *ear;
            runtime.block_on(self.next(streams, within))
        })
    }

    /// End the wait that is under way, or else the next one.
    fn close(&self) {
        self.closed.notify_one();
    }
}

impl Signals {
    async fn next(
        &self,
        streams: &mut [(&'static str, &'static str, MessageStream)],
        within: Duration,
    ) -> Result<&'static str, Failure> {
        let mut closed = pin!(self.closed.notified());
        let told = poll_fn(|context| {
            if closed.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(""));
            }
            for (what, property, stream) in streams.iter_mut() {
                if let Poll::Ready(ended) = drain(stream, property, context) {
                    return Poll::Ready(ended.map(|()| *what));
                }
            }
            Poll::Pending
        });
        tokio::time::timeout(within, told).await.unwrap_or(Ok(""))
    }
}

/// Ready where a signal of this stream tells of the property.
fn drain(
    stream: &mut MessageStream,
    property: &str,
    context: &mut Context<'_>,
) -> Poll<Result<(), Failure>> {
    loop {
        match Pin::new(&mut *stream).poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(signal))) => {
                if tells(&signal, property) {
                    return Poll::Ready(Ok(()));
                }
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
            Poll::Ready(None) => {
                return Poll::Ready(Err(Failure::new(
                    "DBus",
                    "the system bus closed the connection",
                )));
            }
        }
    }
}

/// What cannot be read counts: a look too many costs little, one too few is a report that is not true.
fn tells(signal: &Message, property: &str) -> bool {
    type Changed = (String, HashMap<String, OwnedValue>, Vec<String>);
    let body = signal.body();
    let Ok((_, changed, gone)) = body.deserialize::<Changed>() else {
        return true;
    };
    property.is_empty()
        || changed.contains_key(property)
        || gone.iter().any(|name| name == property)
}

async fn listen() -> Result<Vec<(&'static str, &'static str, MessageStream)>, Failure> {
    let bus = Connection::system().await?;
    let mut streams = Vec::new();
    for (what, interface, property) in [("dns", DNS, ""), ("lldp", DEVICE, NEIGHBORS)] {
        let rule = MatchRule::builder()
            .msg_type(message::Type::Signal)
            .sender(SERVICE)?
            .interface("org.freedesktop.DBus.Properties")?
            .member("PropertiesChanged")?
            .add_arg(interface)?
            .build();
        let stream = MessageStream::for_match_rule(rule, &bus, Some(QUEUED)).await?;
        streams.push((what, property, stream));
    }
    Ok(streams)
}
