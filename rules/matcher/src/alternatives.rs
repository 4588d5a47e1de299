//! Alternatives: the parts of a written expression each of which is enough.

use crate::compile::Expr;
use crate::encode::node;
use crate::image::Writer;

/// Alternatives of a rule that are looked for one by one.
const ALTERNATIVES_MAX: usize = 48;

/// Returns where the node behind a node is.
fn node_end(writer: &Writer, at: u32) -> u32 {
    match writer.get(at) {
        node::LEAF => at + 2,
        node::NOT => node_end(writer, at + 1),
        _ => writer.get(at + 1),
    }
}

/// Says whether these ask the same of several fields, as keywords do of the message and of the record.
fn is_twins(children: &[Expr]) -> bool {
    children.array_windows::<2>().all(
        |pair| matches!(pair, [Expr::Leaf(one), Expr::Leaf(other)] if one.checks == other.checks),
    )
}

/// Splits a written expression into alternatives, each of which is enough, with their places. What
/// is no alternative, or has too many, comes back whole.
pub(crate) fn alternatives<'e>(expr: &'e Expr, at: u32, writer: &Writer) -> Vec<(&'e Expr, u32)> {
    fn walk<'e>(expr: &'e Expr, at: u32, writer: &Writer, out: &mut Vec<(&'e Expr, u32)>) {
        let Expr::Any(children) = expr else {
            out.push((expr, at));
            return;
        };
        if is_twins(children) {
            out.push((expr, at));
            return;
        }
        let mut next = at + 2;
        for child in children {
            walk(child, next, writer, out);
            next = node_end(writer, next);
        }
    }
    let mut found = Vec::new();
    walk(expr, at, writer, &mut found);
    if found.len() > ALTERNATIVES_MAX { vec![(expr, at)] } else { found }
}
