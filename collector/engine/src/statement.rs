//! Statements: what kind one is, which format it names, where its data begins, what is refused.

mod denied;
mod lexer;

use crate::exception::{Exception, code};
use crate::limits::QUERY_BYTES_MAX;
use lexer::{Kind, Lexer, Token};

/// What a statement needs from its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Only reads; `streamable` when it is a SELECT whose chunks can be joined.
    Read {
        /// The format it names with its own FORMAT clause.
        format: Option<String>,
        /// Whether the engine can stream it.
        streamable: bool,
    },
    /// Anything else without data of its own: DDL, INSERT … SELECT, ALTER, KILL, …
    Write {
        /// The format it names with its own FORMAT clause.
        format: Option<String>,
    },
    /// An INSERT whose data follows, in the statement's own bytes, in the body or both.
    Insert {
        /// The statement without FORMAT clause and data ends here.
        head: usize,
        /// The format of the data.
        format: String,
        /// The data begins here.
        data: usize,
    },
}

impl Statement {
    /// Reads a statement. Errors of syntax are left to the engine; refused are an empty or overlong
    /// text, several statements, and what would reach outside the database (files, network, other
    /// programs, the process itself).
    pub(crate) fn parse(sql: &[u8]) -> Result<Self, Exception> {
        let mut tokens = Lexer::new(sql.get(..QUERY_BYTES_MAX).unwrap_or(sql));
        let first = tokens.next().ok_or_else(|| syntax("Empty query"))?;
        if first.is("insert") {
            return parse_insert(sql, tokens);
        }
        if sql.len() > QUERY_BYTES_MAX {
            return Err(syntax(format!("Max query size exceeded: {QUERY_BYTES_MAX} bytes")));
        }
        let rest: Vec<Token<'_>> = tokens.collect();
        denied::check(&first, &rest)?;
        check_single(&rest)?;
        let has = |word| rest.iter().any(|token| token.is(word));
        let format = trailing_format(&first, &rest);
        let starts = |words: &[&str]| words.iter().any(|word| first.is(word));
        let selects = starts(&["select", "with"]) || first.kind == Kind::Mark(b'(');
        if selects && !has("insert") {
            // Totals and extremes are a second document in a stream's chunk; an array of rows is one
            // document; both need the whole result at once.
            let whole = has("totals") || has("extremes") || has("output_format_json_array_of_rows");
            return Ok(Self::Read { format, streamable: !whole });
        }
        if starts(&["show", "describe", "desc", "explain", "exists", "check"]) {
            return Ok(Self::Read { format, streamable: false });
        }
        Ok(Self::Write { format })
    }
}

fn syntax(message: impl std::fmt::Display) -> Exception {
    Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", message)
}

fn check_single(tokens: &[Token<'_>]) -> Result<(), Exception> {
    let mut behind = tokens.iter().skip_while(|token| token.kind != Kind::Mark(b';'));
    if behind.any(|token| token.kind != Kind::Mark(b';')) {
        return Err(syntax("Multi-statements are not allowed"));
    }
    Ok(())
}

/// Returns the name in a FORMAT clause: `FORMAT name` outside brackets, followed by the end, `;` or
/// SETTINGS. (A column may be named `format` too.)
fn trailing_format(first: &Token<'_>, tokens: &[Token<'_>]) -> Option<String> {
    let mut depth = i64::from(first.kind == Kind::Mark(b'('));
    let mut found = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark(b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark(b')' | b']' | b'}') => depth -= 1,
            _ => {}
        }
        let Some(name) = tokens.get(index + 1) else { break };
        let ends = tokens
            .get(index + 2)
            .is_none_or(|next| next.kind == Kind::Mark(b';') || next.is("settings"));
        if depth == 0 && token.is("format") && name.kind == Kind::Word && ends {
            found = Some(String::from_utf8_lossy(name.bytes).into_owned());
        }
    }
    found
}

/// Source of where data begins: ClickHouse, `src/Parsers/ParserInsertQuery.cpp`: behind the format's
/// name come spaces and tabs, then at most one line end, then the data.
fn parse_insert<'a>(
    sql: &[u8],
    tokens: impl Iterator<Item = Token<'a>>,
) -> Result<Statement, Exception> {
    let mut depth = 0_i64;
    let mut seen: Vec<Token<'_>> = Vec::new();
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Mark(b'(') => depth += 1,
            Kind::Mark(b')') => depth -= 1,
            _ => {}
        }
        let start = token.end - token.bytes.len();
        let selects = token.is("select") || token.is("with");
        let bracketed = seen.last().is_some_and(|last| last.kind == Kind::Mark(b'('));
        if selects && (depth == 0 || (depth == 1 && bracketed)) {
            seen.push(token);
            seen.extend(tokens);
            denied::check_tokens(&seen)?;
            check_single(&seen)?;
            return Ok(Statement::Write { format: None });
        }
        if depth == 0 && token.is("values") && seen.len() > 1 {
            denied::check_tokens(&seen)?;
            return Ok(Statement::Insert { head: start, format: "Values".into(), data: token.end });
        }
        let named = tokens.peek().filter(|next| next.kind == Kind::Word);
        if let Some(name) = named.filter(|_| depth == 0 && token.is("format") && seen.len() > 1) {
            denied::check_tokens(&seen)?;
            let format = String::from_utf8_lossy(name.bytes).into_owned();
            return Ok(Statement::Insert { head: start, format, data: data_start(sql, name.end) });
        }
        seen.push(token);
    }
    denied::check_tokens(&seen)?;
    check_single(&seen)?;
    let end = seen.iter().rfind(|token| token.kind != Kind::Mark(b';'));
    let head = end.map_or(sql.len(), |token| token.end);
    Ok(Statement::Insert { head, format: "Values".into(), data: sql.len() })
}

fn data_start(sql: &[u8], name_end: usize) -> usize {
    let mut at = name_end;
    while matches!(sql.get(at), Some(b' ' | b'\t' | b'\x0c')) {
        at += 1;
    }
    if sql.get(at) == Some(&b'\r') {
        at += 1;
    }
    if sql.get(at) == Some(&b'\n') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
