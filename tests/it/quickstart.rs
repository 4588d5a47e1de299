//! The first command of the README, as a new user would type it.

use std::process::Command;

use anyhow::Result;
use tests::{needs, root};

#[test]
fn quickstart_once_ends_with_a_delivered_incident() -> Result<()> {
    let Some(library) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let Some(_) = needs("VONGLAU_TEST_MEDALLION", "the TAXII server") else { return Ok(()) };
    let cache = std::path::Path::new(&library).ancestors().nth(2).map(std::path::Path::to_owned);
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(root().join("deploy/quickstart.sh"));
    command
        .args(["--once", "--profile", "dev", "--port", "0"])
        .env("VONGLAU_QUICKSTART_DIR", dir.path().join("quickstart"));
    if let Some(cache) = cache {
        command.env("VONGLAU_CACHE", cache);
    }
    let output = command.output()?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "{}\n{out}\n{err}", output.status);
    anyhow::ensure!(out.contains("203.0.113."), "the brute force's address is not named:\n{out}");
    anyhow::ensure!(out.contains("delivered"), "nothing was delivered:\n{out}");
    let clean = Command::new(root().join("deploy/quickstart.sh"))
        .arg("--clean")
        .env("VONGLAU_QUICKSTART_DIR", dir.path().join("quickstart"))
        .status()?;
    anyhow::ensure!(
        clean.success() && !dir.path().join("quickstart").exists(),
        "--clean left something"
    );
    Ok(())
}
