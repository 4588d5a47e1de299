//! `explain`: pages of codes.

use std::path::Path;

use crate::{check, run};

#[test]
fn codes_are_explained() {
    let here = Path::new(".");
    for spelling in ["R012", "r012", "12", "r12"] {
        check(&run(here, &["explain", spelling]), 0, &["# R012: the modifier is unknown"]);
    }
    check(&run(here, &["explain"]), 0, &["R073"]);
    check(&run(here, &["explain", "timespan"]), 0, &["R051"]);
    check(&run(here, &["explain", "R102"]), 2, &["no code 'R102'; did you mean R0"]);
    check(&run(here, &["explain", "R999"]), 2, &["no code 'R999'; 'vonglau-rules explain' lists"]);
}
