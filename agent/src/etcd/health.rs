//! etcd's own verdict: `GET /health` on the metrics port, which needs no certificate on loopback
//! (`listen-metrics-urls`).

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_common::ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, ports::METRICS);
/// `/health` makes a linearizable read, which waits for a leader.
const HEALTH_DEADLINE: Duration = Duration::from_secs(3);
/// HTTP/1.0: the answer ends with the connection, so there is nothing to count.
const REQUEST: &[u8] = b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
/// The answer has about 200 bytes.
const ANSWER_MAX: u64 = 4096;

/// Whether the member has a leader, no alarm, and answered a linearizable read.
pub(super) async fn is_healthy(clock: &dyn Clock) -> bool {
    let answer = clock.within(HEALTH_DEADLINE, ask()).await;
    matches!(answer, Some(Ok(answer)) if says_healthy(&answer))
}

async fn ask() -> io::Result<String> {
    let mut stream = TcpStream::connect(ADDRESS).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// 503 comes with `"health":"false"`; both are looked at.
fn says_healthy(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let status = head.split(' ').nth(1);
    status == Some("200") && body.contains(r#""health":"true""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_200_that_says_true_is_healthy() {
        let answer = |status, body| format!("HTTP/1.0 {status}\r\nContent-Type: x\r\n\r\n{body}");
        assert!(says_healthy(&answer("200 OK", r#"{"health":"true","reason":""}"#)));
        assert!(!says_healthy(&answer(
            "503 Service Unavailable",
            r#"{"health":"false","reason":"NOSPACE"}"#
        )));
        assert!(!says_healthy(&answer("200 OK", r#"{"health":"false"}"#)));
        assert!(!says_healthy("HTTP/1.0 200 OK"));
    }
}
