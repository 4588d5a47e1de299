//! Execve: the arguments of a command, in one piece or in several.
//!
//! Spec: Linux `kernel/auditsc.c`, `audit_log_execve_info`: `a2="x"`, or `a2_len=9000 a2[0]=… a2[1]=…`
//! when long; arguments go on in a further record when one is full.

use rules_event::{Event, Value, encode_lossless, field};

use super::hex;
use super::keys::Key;
use super::pairs::{Form, Pairs};

/// Most arguments that are kept; the rest is only in `event.original`. `process.args_count` tells.
pub(super) const ARGS_MAX: usize = 512;

/// The arguments of a command.
#[derive(Debug, Default)]
pub(super) struct Args {
    args: Vec<Value>,
    /// The argument that came in pieces, and its bytes so far.
    pieces: Option<(usize, Vec<u8>)>,
}

impl Args {
    /// Takes the arguments of an EXECVE record, and returns its `argc`.
    pub(super) fn take<'a>(&mut self, body: &'a str) -> Option<&'a str> {
        let mut argc = None;
        for (key, value, form) in Pairs::of(body) {
            if key == "argc" {
                argc = Some(value);
                continue;
            }
            let Some((number, piece)) = argument(key) else { continue };
            if number >= ARGS_MAX {
                continue;
            }
            if piece.is_some() {
                self.add_piece(number, value, form);
            } else {
                match form {
                    Form::Bare => self.put(number, Value::text(&hex::text(value))),
                    _ => self.put(number, Value::text(value)),
                }
            }
        }
        argc
    }

    fn add_piece(&mut self, number: usize, value: &str, form: Form) {
        if self.pieces.as_ref().is_some_and(|(other, _)| *other != number) {
            self.end_pieces();
        }
        let (_, bytes) = self.pieces.get_or_insert_with(|| (number, Vec::new()));
        match hex::bytes(value).filter(|_| form == Form::Bare) {
            Some(more) => bytes.extend(more),
            None => bytes.extend(value.as_bytes()),
        }
    }

    fn end_pieces(&mut self) {
        if let Some((number, bytes)) = self.pieces.take() {
            self.put(number, Value::text(&encode_lossless(&bytes).0));
        }
    }

    fn put(&mut self, number: usize, value: Value) {
        while self.args.len() <= number {
            self.args.push(Value::text(""));
        }
        if let Some(place) = self.args.get_mut(number) {
            *place = value;
        }
    }

    /// Sets the fields of the command, if there is one.
    pub(super) fn finish(mut self, with_call: bool, event: &mut Event) {
        self.end_pieces();
        if self.args.is_empty() {
            return;
        }
        let texts = || self.args.iter().filter_map(Value::as_str);
        let mut line = String::with_capacity(texts().map(|text| text.len() + 1).sum());
        for text in texts() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(text);
        }
        event.set_text(field::PROCESS_COMMAND_LINE, &line);
        // The record alone, without that of the call: as the program was named.
        if let Some(program) = self.args.first().and_then(Value::as_str).filter(|_| !with_call) {
            event.set_text(field::PROCESS_EXECUTABLE, program);
            let name = program.rsplit('/').next().unwrap_or(program);
            event.set_text(field::PROCESS_NAME, name);
        }
        for (number, value) in self.args.iter().enumerate() {
            let Some(key) = Key::argument(number) else { break };
            // An address of the call itself, in a0 to a3, stays beside the argument.
            super::put(event, key.field(), value.clone());
        }
        event.set("process.args", Value::List(self.args));
    }
}

/// Reads `a12` and `a12[3]`; `a12_len` is no argument.
fn argument(key: &str) -> Option<(usize, Option<usize>)> {
    let rest = key.strip_prefix('a')?;
    match rest.split_once('[') {
        None => Some((rest.parse().ok()?, None)),
        Some((number, piece)) => {
            Some((number.parse().ok()?, Some(piece.strip_suffix(']')?.parse().ok()?)))
        }
    }
}
