//! Certificates, the one that ends first at the top.

use super::or_dash;
use crate::console::output::Show;
use crate::console::table::table;
use crate::show::{CertificateShown, Certificates};

/// Digits of a serial in the table; JSON has all.
const SERIAL_SHOWN: usize = 16;
/// Digits of a CA's key id.
const ISSUER_SHOWN: usize = 8;

impl Show for Certificates {
    fn to_table(&self) -> String {
        let rows: Vec<Vec<String>> = self.certificates.iter().map(row).collect();
        table(&["NODE", "PROFILE", "SERVED", "ISSUER", "ENDS", "RENEWS"], &rows)
    }

    fn names(&self) -> Vec<String> {
        self.certificates.iter().map(|one| format!("{}/{}", one.node, one.profile)).collect()
    }
}

fn row(shown: &CertificateShown) -> Vec<String> {
    let short = |hex: &String, digits| hex.chars().take(digits).collect::<String>();
    let file = short(&shown.serial, SERIAL_SHOWN);
    let served = match &shown.served_serial {
        Some(served) if *served == shown.serial => file,
        Some(served) => format!("{} (file: {file})", short(served, SERIAL_SHOWN)),
        None => format!("- (file: {file})"),
    };
    let issuer = or_dash(shown.issuer.as_ref().map(|issuer| short(issuer, ISSUER_SHOWN)));
    let ends = format!("{} (in {} d)", shown.ends, shown.ends_in_days);
    let (node, profile) = (shown.node.to_string(), shown.profile.to_string());
    vec![node, profile, served, issuer, ends, shown.renews.clone()]
}
