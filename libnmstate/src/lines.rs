//! The log lines of a call, kept apart by thread: libnmstate logs through the `log` crate, whose
//! logger is one for the process, while each call runs wholly on the thread that made it.

use std::cell::RefCell;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A line as Python gets it: the level as Python's `logging` counts, the module, the text.
pub(crate) type Line = (u8, String, String);

/// Lines kept of one call; a chatty one must not eat the node's memory.
const MAX_LINES: usize = 2_000;
const MAX_LINE_BYTES: usize = 8_192;

thread_local! {
    static LINES: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with(|cell| {
            // A line that is logged while one is being kept would find the cell borrowed: drop it.
            let Ok(mut kept) = cell.try_borrow_mut() else {
                return;
            };
            let Some(lines) = kept.as_mut() else {
                return;
            };
            if lines.len() < MAX_LINES {
                let text = truncated(record.args().to_string());
                lines.push((
                    python_level(record.level()),
                    record.target().to_string(),
                    text,
                ));
            }
        });
    }

    fn flush(&self) {}
}

static COLLECTOR: Collector = Collector;

/// Make the collector the process's logger. Only the first call of a process has an effect.
pub(crate) fn install() {
    if log::set_logger(&COLLECTOR).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Start keeping the lines of this thread.
pub(crate) fn begin() {
    LINES.with(|cell| *cell.borrow_mut() = Some(Vec::new()));
}

/// The lines since `begin`, and stop keeping them.
pub(crate) fn end() -> Vec<Line> {
    LINES
        .with(|cell| cell.borrow_mut().take())
        .unwrap_or_default()
}

fn python_level(level: Level) -> u8 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

fn truncated(mut text: String) -> String {
    if text.len() > MAX_LINE_BYTES {
        let mut end = MAX_LINE_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Keep lines of this level and above: off, error, warn, info, debug or trace.
#[pyfunction]
pub(crate) fn set_log_level(level: &str) -> PyResult<()> {
    let filter = level.parse::<LevelFilter>().map_err(|_| {
        PyValueError::new_err(format!(
            "unknown log level {level:?}: one of off, error, warn, info, debug, trace"
        ))
    })?;
    log::set_max_level(filter);
    Ok(())
}
