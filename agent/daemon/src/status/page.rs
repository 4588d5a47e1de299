//! The metrics page and the health of a running agent, fetched and read.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);
/// A metrics page of ours has some ten KiB.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const PREFIX: &str = "vonglau_agent_";

/// Samples by name and labels as printed, without our prefix.
pub(super) struct Page {
    samples: BTreeMap<String, f64>,
    /// What health complains of.
    pub(super) problems: Vec<String>,
}

impl Page {
    /// Asks a running agent.
    pub(super) fn fetch(address: SocketAddr) -> io::Result<Self> {
        let samples = parse(&get(address, "/metrics")?.1);
        if !samples.contains_key("records_read_total") {
            return Err(io::Error::other("not an agent of ours"));
        }
        let (code, health) = get(address, "/healthz")?;
        let problems = match code {
            200 => Vec::new(),
            _ => health.lines().map(str::to_owned).collect(),
        };
        Ok(Self { samples, problems })
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.samples.get(name).copied().unwrap_or(0.0)
    }

    pub(super) fn one(&self, name: &str) -> u64 {
        self.number(name) as u64
    }

    pub(super) fn sum(&self, name: &str) -> u64 {
        self.numbers_by_label(name).values().sum::<f64>() as u64
    }

    /// Returns the samples of a name with one label, by the label's value; those at 0 are left out.
    pub(super) fn numbers_by_label(&self, name: &str) -> BTreeMap<String, f64> {
        let of = |key: &str| {
            let labels = key.strip_prefix(name)?.strip_prefix('{')?;
            Some(labels.split('"').nth(1)?.to_owned())
        };
        self.samples
            .iter()
            .filter(|(_, value)| **value != 0.0)
            .filter_map(|(key, value)| Some((of(key)?, *value)))
            .collect()
    }

    pub(super) fn by_label(&self, name: &str) -> BTreeMap<String, u64> {
        let numbers = self.numbers_by_label(name).into_iter();
        numbers.map(|(label, value)| (label, value as u64)).collect()
    }
}

/// Fetches a page of our own meter: one request, one connection.
fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT_MAX)?;
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
    stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    match (code, answer.split_once("\r\n\r\n")) {
        (Some(code), Some((_, body))) => Ok((code, body.to_owned())),
        _ => Err(io::Error::other("not an HTTP answer")),
    }
}

/// Reads the Prometheus text format.
fn parse(page: &str) -> BTreeMap<String, f64> {
    page.lines()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix(PREFIX)?.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let text = "# HELP vonglau_agent_a x\nvonglau_agent_a 5\nother_b 6\n\
                    vonglau_agent_c{lane=\"alerts\"} 1\nvonglau_agent_c{lane=\"events\"} 2.5\n\
                    vonglau_agent_c{lane=\"none\"} 0\nvonglau_agent_cc{lane=\"x\"} 9\n";
        let page = Page { samples: parse(text), problems: Vec::new() };
        assert_eq!((page.one("a"), page.one("b"), page.one("c{lane=\"alerts\"}")), (5, 0, 1));
        assert_eq!(page.sum("c"), 3);
        let labels = page.numbers_by_label("c");
        assert_eq!(
            labels.into_iter().collect::<Vec<_>>(),
            [("alerts".into(), 1.0), ("events".into(), 2.5)]
        );
    }
}
